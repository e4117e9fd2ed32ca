// CUDA graphs as C functions, over libtorch's own class. Built by `cargo xtask`, where libtorch has CUDA, and by `cargo xtask gpu-kit`; the compiler
// needs no CUDA toolkit but its headers, and loaded by `graphs.rs` on machines with a GPU alone: it is made of symbols of libtorch_cuda.
//
// Functions give 0, or 1 and the reason in `error`, of `room` bytes.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <cstring>
#include <exception>
#include <map>
#include <memory>

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

struct Graph : at::cuda::CUDAGraph {
  // Whether it gives back its memory itself, when it is no more.
  bool owns_memory() const { return capture_ended_; }
};

// Where a thread's recordings of a device are, as long as there are some. Capture is refused on the stream that everything is on by default;
// blocks of memory that are free belong to the stream that they were used on; and recordings that take turns, of which none leaves anything
// behind in memory of its own, can use the same.
struct Side {
  c10::cuda::CUDAStream stream;
  c10::cuda::CUDAStream before;
  c10::MempoolId_t pool;
  int recordings = 0;
};

struct Recording {
  Graph graph;
  Side& side;
};

// A capture asks for the stream of the device that is current.
struct OnDevice {
  c10::DeviceIndex before;
  explicit OnDevice(c10::DeviceIndex device) : before(c10::cuda::ExchangeDevice(device)) {}
  ~OnDevice() { c10::cuda::MaybeSetDevice(before); }
};

Side& side_of(c10::DeviceIndex device) {
  thread_local std::map<c10::DeviceIndex, Side> sides;
  auto found = sides.find(device);
  if (found == sides.end()) {
    auto stream = c10::cuda::getStreamFromPool(false, device);
    found = sides.emplace(device, Side{stream, stream, {}}).first;
  }
  return found->second;
}

template <class F>
int guarded(char* error, std::size_t room, F work) {
  try {
    work();
    return 0;
  } catch (const std::exception& caught) {
    std::strncpy(error, caught.what(), room - 1);
    error[room - 1] = 0;
    return 1;
  }
}

template <class F>
void regardless(F work) {
  try {
    work();
  } catch (const std::exception&) {
  }
}

// Of a recording that failed nothing stays: neither memory kept apart, nor memory that is nobody's, nor CUDA's last error. `began`: it
// failed after its beginning, so that it has a share of the memory.
void forget(Recording& one, bool began) {
  auto device = one.side.stream.device_index();
  regardless([&] {
    // Refused, unless it is being allocated from.
    allocator::endAllocateToPool(device, one.side.pool);
    began = true;
  });
  if (began && !one.graph.owns_memory()) {
    regardless([&] { allocator::releasePool(device, one.side.pool); });
  }
  cudaGetLastError();
}

} // namespace

extern "C" {

// From here until the last `sculpt_graph_free` this thread's work goes to a stream of its own, after all that was asked for before.
int sculpt_graph_new(int device, void** out, char* error, std::size_t room) {
  return guarded(error, room, [&] {
    auto index = static_cast<c10::DeviceIndex>(device);
    auto& side = side_of(index);
    auto recording = std::unique_ptr<Recording>(new Recording{Graph(), side});
    if (side.recordings == 0) {
      side.before = c10::cuda::getCurrentCUDAStream(index);
      side.before.synchronize();
      side.pool = at::cuda::graph_pool_handle();
      c10::cuda::setCurrentCUDAStream(side.stream);
    }
    side.recordings += 1;
    *out = recording.release();
  });
}

// What this thread asks for up to `sculpt_graph_end` is kept, and not done.
int sculpt_graph_begin(void* recording, char* error, std::size_t room) {
  auto* one = static_cast<Recording*>(recording);
  int failed = guarded(error, room, [&] {
    OnDevice here(one->side.stream.device_index());
    one->side.stream.synchronize();
    // A recording has memory of its own, beside what the work took until now.
    allocator::emptyCache();
    one->graph.capture_begin(one->side.pool);
  });
  if (failed != 0) {
    forget(*one, false);
  }
  return failed;
}

// After a recording that failed the work can be asked for as before.
int sculpt_graph_end(void* recording, char* error, std::size_t room) {
  auto* one = static_cast<Recording*>(recording);
  int failed = guarded(error, room, [&] {
    OnDevice here(one->side.stream.device_index());
    one->graph.capture_end();
  });
  if (failed != 0) {
    forget(*one, true);
  }
  return failed;
}

// What the allocator keeps of memory that nothing needs is the card's again.
void sculpt_give_back() {
  regardless([&] { allocator::emptyCache(); });
}

int sculpt_graph_replay(void* recording, char* error, std::size_t room) {
  return guarded(error, room, [&] { static_cast<Recording*>(recording)->graph.replay(); });
}

// Waits for what is under way. The last word is the caller's: what is wrong by now was said before.
void sculpt_graph_free(void* recording) {
  std::unique_ptr<Recording> one(static_cast<Recording*>(recording));
  auto& side = one->side;
  regardless([&] { side.stream.synchronize(); });
  side.recordings -= 1;
  if (side.recordings == 0) {
    regardless([&] { c10::cuda::setCurrentCUDAStream(side.before); });
  }
  regardless([&] { one.reset(); });
  // Others on the card may need it.
  regardless([&] { allocator::emptyCache(); });
}
}
