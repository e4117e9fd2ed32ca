"""Where and when a comparison was made, as its table says it, and how its processes end. Needs nothing but Python."""

import ctypes
import datetime
import signal
from pathlib import Path


LIBC = ctypes.CDLL(None)


def end_with_parent():
    """Whoever began this may be killed alone: nobody would read what goes on."""
    PR_SET_PDEATHSIG = 1
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def today():
    return datetime.date.today().isoformat()


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    of = lambda key: next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "unknown")
    units = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in of("flags").split()]
    return f"{of('model name')}, {', '.join(units) or 'no vector units that matter'}"
