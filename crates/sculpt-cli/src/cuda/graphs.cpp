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
#include <mutex>

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

struct Recording {
  at::cuda::CUDAGraph graph;
  c10::MempoolId_t pool;
  // Capture is refused on the stream that everything is on by default.
  c10::cuda::CUDAStream side;
  c10::cuda::CUDAStream before;
};

// A capture asks for the stream of the device that is current.
struct OnDevice {
  c10::DeviceIndex before;
  explicit OnDevice(c10::DeviceIndex device) : before(c10::cuda::ExchangeDevice(device)) {}
  ~OnDevice() { c10::cuda::MaybeSetDevice(before); }
};

// One for all recordings of a device: blocks of memory that are free belong to the stream that they were used on.
c10::cuda::CUDAStream side_stream(c10::DeviceIndex device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = streams.find(device);
  if (found == streams.end()) {
    found = streams.emplace(device, c10::cuda::getStreamFromPool(false, device)).first;
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

} // namespace

extern "C" {

// From here until `sculpt_graph_free` this thread's work goes to a stream of its own, after all that was asked for before.
int sculpt_graph_new(int device, void** out, char* error, std::size_t room) {
  return guarded(error, room, [&] {
    auto index = static_cast<c10::DeviceIndex>(device);
    auto before = c10::cuda::getCurrentCUDAStream(index);
    auto side = side_stream(index);
    before.synchronize();
    auto recording = std::unique_ptr<Recording>(
        new Recording{at::cuda::CUDAGraph(), at::cuda::graph_pool_handle(), side, before});
    c10::cuda::setCurrentCUDAStream(side);
    *out = recording.release();
  });
}

// What this thread asks for up to `sculpt_graph_end` is kept, and not done.
int sculpt_graph_begin(void* recording, char* error, std::size_t room) {
  return guarded(error, room, [&] {
    auto* one = static_cast<Recording*>(recording);
    OnDevice here(one->side.device_index());
    one->side.synchronize();
    // A recording has memory of its own, beside what the work took until now.
    allocator::emptyCache();
    one->graph.capture_begin(one->pool);
  });
}

// Of a recording that failed nothing stays: the work can be asked for as before.
int sculpt_graph_end(void* recording, char* error, std::size_t room) {
  auto* one = static_cast<Recording*>(recording);
  int failed = guarded(error, room, [&] {
    OnDevice here(one->side.device_index());
    one->graph.capture_end();
  });
  if (failed != 0) {
    // The allocator may still keep the recording's memory apart, and CUDA its last error.
    regardless([&] { allocator::endAllocateToPool(one->side.device_index(), one->pool); });
    cudaGetLastError();
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
  regardless([&] { one->side.synchronize(); });
  regardless([&] { c10::cuda::setCurrentCUDAStream(one->before); });
  regardless([&] { one.reset(); });
  // Others on the card may need it.
  regardless([&] { allocator::emptyCache(); });
}
}
