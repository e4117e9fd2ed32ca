"""Where and when a comparison was made, as its table says it. Needs nothing but Python."""

import datetime
from pathlib import Path


def today():
    return datetime.date.today().isoformat()


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    of = lambda key: next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")
    units = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in of("flags").split()]
    return f"{of('model name')}, {', '.join(units) or 'no vector units that matter'}"
