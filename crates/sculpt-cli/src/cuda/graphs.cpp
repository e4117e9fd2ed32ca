// CUDA graphs as C functions, over libtorch's own class. Built by `cargo xtask setup --cuda` and `cargo xtask gpu-kit`, whose compiler
// needs no CUDA toolkit but its headers, and loaded by `graphs.rs` on machines with a GPU alone: it is made of symbols of libtorch_cuda.
//
// Functions give 0, or 1 and the reason in `error`, of `room` bytes.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAStream.h>
#include <cstring>
#include <exception>
#include <memory>

namespace {

struct Recording {
  at::cuda::CUDAGraph graph;
  // Capture is refused on the stream that everything is on by default.
  c10::cuda::CUDAStream side;
  c10::cuda::CUDAStream before;
};

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

} // namespace

extern "C" {

// From here until `sculpt_graph_free` this thread's work goes to a stream of its own, after all that was asked for before.
int sculpt_graph_new(int device, void** out, char* error, std::size_t room) {
  return guarded(error, room, [&] {
    auto before = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
    auto side = c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device));
    before.synchronize();
    auto recording = std::unique_ptr<Recording>(new Recording{at::cuda::CUDAGraph(), side, before});
    c10::cuda::setCurrentCUDAStream(side);
    *out = recording.release();
  });
}

// What this thread asks for up to `sculpt_graph_end` is kept, and not done.
int sculpt_graph_begin(void* recording, char* error, std::size_t room) {
  return guarded(error, room, [&] {
    auto* one = static_cast<Recording*>(recording);
    one->side.synchronize();
    one->graph.capture_begin();
  });
}

int sculpt_graph_end(void* recording, char* error, std::size_t room) {
  return guarded(error, room, [&] { static_cast<Recording*>(recording)->graph.capture_end(); });
}

int sculpt_graph_replay(void* recording, char* error, std::size_t room) {
  return guarded(error, room, [&] { static_cast<Recording*>(recording)->graph.replay(); });
}

// Waits for what is under way. The last word is the caller's: what is wrong by now was said before.
void sculpt_graph_free(void* recording) {
  std::unique_ptr<Recording> one(static_cast<Recording*>(recording));
  try {
    one->side.synchronize();
    c10::cuda::setCurrentCUDAStream(one->before);
    one.reset();
  } catch (const std::exception&) {
  }
}
}
