// A group of processes over libtorch's c10d, with a C interface: TCPStore for the meeting, Gloo for what lies in the host's memory,
// NCCL for what lies on GPUs. And BatchNorm over the whole group.
//
// No exception leaves this file. A group that failed once stays failed, with its first reason: autograd calls from in here cannot
// hand an error on, and whoever asks next is told.
#include <dlfcn.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Functions.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// As nccl.h of NCCL 2 has them; they are part of its ABI.
struct NcclId {
  char bytes[128];
};
using NcclComm = void*;
constexpr int kNcclSuccess = 0, kNcclInProgress = 7;
constexpr int kNcclSum = 0;
constexpr int kNcclFloat32 = 7, kNcclFloat64 = 8;

// What of NCCL is used, out of the library that libtorch_cuda has loaded. It stays loaded: unloading it ends a process in a crash.
struct Nccl {
  int (*get_unique_id)(NcclId*);
  int (*comm_init_rank)(NcclComm*, int, NcclId, int);
  int (*all_reduce)(const void*, void*, size_t, int, int, NcclComm, void*);
  int (*comm_get_async_error)(NcclComm, int*);
  int (*comm_abort)(NcclComm);
  const char* (*get_error_string)(int);

  Nccl() {
    void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      throw std::runtime_error(std::string("NCCL cannot be loaded: ") + dlerror());
    }
    find(library, "ncclGetUniqueId", get_unique_id);
    find(library, "ncclCommInitRank", comm_init_rank);
    find(library, "ncclAllReduce", all_reduce);
    find(library, "ncclCommGetAsyncError", comm_get_async_error);
    find(library, "ncclCommAbort", comm_abort);
    find(library, "ncclGetErrorString", get_error_string);
  }

  void check(int result, const char* doing) const {
    if (result != kNcclSuccess && result != kNcclInProgress) {
      throw std::runtime_error(std::string("NCCL cannot ") + doing + ": " + get_error_string(result));
    }
  }

 private:
  template <class F>
  static void find(void* library, const char* name, F& function) {
    void* found = dlsym(library, name);
    if (found == nullptr) {
      throw std::runtime_error(std::string("libnccl.so.2 has no ") + name);
    }
    std::memcpy(&function, &found, sizeof found);
  }
};

// What `queue` hands to Gloo, whose threads do it. c10d notes it in a record of the whole process (FlightRecorder) whose table of
// groups it writes without a lock: of two groups that begin at once, one would break the tree under the other.
std::mutex queueing;
template <class F>
c10::intrusive_ptr<c10d::Work> queued(F queue) {
  std::lock_guard<std::mutex> lock(queueing);
  return queue();
}

class Group {
 public:
  Group(
      const std::string& host,
      uint16_t port,
      const std::string& own_address,
      const std::string& prefix,
      bool hosts_store,
      int listener,
      int rank,
      int world,
      Milliseconds to_meet,
      Milliseconds timeout)
      : rank_(rank), world_(world), timeout_(timeout) {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = hosts_store;
    if (listener >= 0) {
      options.masterListenFd = listener;
    }
    options.numWorkers = world;
    options.timeout = to_meet;
    store_ = c10::make_intrusive<c10d::TCPStore>(host, options);
    if (!prefix.empty()) {
      store_ = c10::make_intrusive<c10d::PrefixStore>(prefix, store_);
    }
    auto gloo = c10d::ProcessGroupGloo::Options::create();
    gloo->timeout = timeout;
    gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(own_address));
    gloo->threads = 1;
    gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank, world, gloo);
  }

  ~Group() {
    if (comm_ != nullptr) {
      // Without waiting for the others: they may be gone.
      c10::DeviceGuard guard(*device_);
      nccl_->comm_abort(comm_);
    }
  }

  // Adds the tensors of all processes up, in place. On a GPU it is queued.
  void sum(at::Tensor& tensor) {
    if (tensor.is_cuda()) {
      nccl_sum(tensor);
    } else {
      std::vector<at::Tensor> tensors{tensor};
      queued([&] { return gloo_->allreduce(tensors); })->wait();
    }
  }

  // Gives all the tensor of `root`, in place.
  void broadcast(at::Tensor& tensor, int root) {
    auto on_host = tensor.cpu();
    std::vector<at::Tensor> tensors{on_host};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    queued([&] { return gloo_->broadcast(tensors, options); })->wait();
    if (tensor.is_cuda()) {
      tensor.copy_(on_host);
    } else if (!on_host.is_same(tensor)) {
      tensor.copy_(on_host);
    }
  }

  // Waits for what was queued, no longer than the group's time.
  void wait() {
    if (comm_ == nullptr) {
      return;
    }
    const auto stream = c10::impl::VirtualGuardImpl(device_->type()).getStream(*device_);
    const auto end = Clock::now() + timeout_;
    while (!stream.query()) {
      int asynchronous = kNcclSuccess;
      nccl_->check(nccl_->comm_get_async_error(comm_, &asynchronous), "be asked how it is");
      nccl_->check(asynchronous, "add up over all processes");
      if (Clock::now() > end) {
        throw std::runtime_error("NCCL was not done in time");
      }
      std::this_thread::sleep_for(Milliseconds(1));
    }
  }

  // Runs `f` unless the group failed, one at a time; what it throws is the group's failure from then on.
  template <class F>
  bool guarded(F f) noexcept {
    std::lock_guard<std::mutex> at_work(work_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (failed_) {
        return false;
      }
    }
    try {
      f();
      return true;
    } catch (const c10::Error& e) {
      fail(e.what_without_backtrace());
    } catch (const std::exception& e) {
      fail(e.what());
    } catch (...) {
      fail("an exception of no known kind");
    }
    return false;
  }

  std::string failure() {
    std::lock_guard<std::mutex> lock(mutex_);
    return failure_;
  }

 private:
  void fail(const char* why) noexcept {
    try {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failed_) {
        failure_ = why;
      }
      failed_ = true;
    } catch (...) {
      failed_ = true;
    }
  }

  // The first tensor says which GPU is this process's.
  void nccl_open(const at::Device& device) {
    static const Nccl nccl;
    NcclId id{};
    if (rank_ == 0) {
      nccl.check(nccl.get_unique_id(&id), "begin");
    }
    auto bytes = at::from_blob(id.bytes, {sizeof id.bytes}, at::kByte);
    broadcast(bytes, 0);
    c10::DeviceGuard guard(device);
    NcclComm comm = nullptr;
    nccl.check(nccl.comm_init_rank(&comm, world_, id, rank_), "join the processes");
    nccl_ = &nccl;
    comm_ = comm;
    device_ = std::make_unique<at::Device>(device);
  }

  void nccl_sum(at::Tensor& tensor) {
    if (comm_ == nullptr) {
      nccl_open(tensor.device());
    }
    if (tensor.device() != *device_) {
      throw std::runtime_error("a process has one GPU, and here is a tensor of another");
    }
    const int kind = tensor.scalar_type() == at::kFloat ? kNcclFloat32 : kNcclFloat64;
    c10::DeviceGuard guard(*device_);
    void* stream = c10::impl::VirtualGuardImpl(device_->type()).getStream(*device_).native_handle();
    void* data = tensor.data_ptr();
    nccl_->check(
        nccl_->all_reduce(data, data, tensor.numel(), kind, kNcclSum, comm_, stream), "add up over all processes");
  }

  int rank_, world_;
  Milliseconds timeout_;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  const Nccl* nccl_ = nullptr;
  NcclComm comm_ = nullptr;
  std::unique_ptr<at::Device> device_;
  std::mutex work_, mutex_;
  bool failed_ = false;
  std::string failure_;
};

using Shared = std::shared_ptr<Group>;

// What autograd keeps of the group from a forward pass to its backward one.
struct Kept : torch::CustomClassHolder {
  explicit Kept(Shared group) : group(std::move(group)) {}
  Shared group;
};

// [channels] as [1, channels, 1, 1].
at::Tensor along_channels(const at::Tensor& values) {
  return values.view({1, -1, 1, 1});
}

// BatchNorm whose statistics are those of the images of all processes, as if one had them all: one sum over the group in either
// direction. Gradients of scale and shift are those of this process's images; whoever adds gradients up adds them too.
//
// With n numbers a channel in all, x̂ = (x − μ)/σ and σ² = mean((x − μ)²) + ε:
//   y = γ x̂ + β,   ∂x = γ/σ · (∂y − Σ∂y/n − x̂ · Σ(∂y x̂)/n)
class BatchNorm : public torch::autograd::Function<BatchNorm> {
 public:
  static at::Tensor forward(
      torch::autograd::AutogradContext* ctx,
      const at::Tensor& x,
      const at::Tensor& scale,
      const at::Tensor& shift,
      at::Tensor running_mean,
      at::Tensor running_variance,
      double momentum,
      double epsilon,
      Shared group) {
    const auto channels = x.size(1);
    const auto numbers = scale.options();
    const double own = static_cast<double>(x.numel() / channels);
    auto sums = at::zeros({2 * channels + 1}, numbers.dtype(at::kDouble));
    auto own_mean = at::zeros({channels}, numbers), own_variance = at::zeros({channels}, numbers);
    if (own > 0) {
      // Running statistics are given so that those of bf16 images come in f32; they are nobody's.
      std::tie(own_mean, own_variance) =
          at::batch_norm_update_stats(x, at::zeros({channels}, numbers), at::ones({channels}, numbers), 0.0);
    }
    // In f64 the difference of these sums has as many digits as the variance that goes in.
    own_mean = own_mean.to(at::kDouble);
    sums.slice(0, 0, channels).copy_(own_mean * own);
    sums.slice(0, channels, 2 * channels).copy_((own_variance.to(at::kDouble) + own_mean * own_mean) * own);
    sums.slice(0, 2 * channels).fill_(own);
    group->guarded([&] { group->sum(sums); });
    const auto n = sums.slice(0, 2 * channels);
    const auto mean = sums.slice(0, 0, channels) / n;
    const auto variance = (sums.slice(0, channels, 2 * channels) / n - mean * mean).clamp_min(0.0);
    const auto kind = scale.scalar_type();
    const auto mean_of_all = mean.to(kind), variance_of_all = variance.to(kind);
    if (momentum != 0.0) {
      running_mean.mul_(1.0 - momentum).add_(mean_of_all * momentum);
      running_variance.mul_(1.0 - momentum).add_((variance * (n / (n - 1.0))).to(kind) * momentum);
    }
    const auto inverse = (variance + epsilon).rsqrt().to(kind);
    ctx->save_for_backward({x, scale, mean_of_all, inverse, n});
    ctx->saved_data["group"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(group));
    if (own == 0) {
      return at::empty_like(x);
    }
    return std::get<0>(at::native_batch_norm(
        x, scale, shift, mean_of_all, variance_of_all, /*training=*/false, 0.0, epsilon));
  }

  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* ctx,
      torch::autograd::variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto &x = saved[0], &scale = saved[1], &mean = saved[2], &inverse = saved[3], &n = saved[4];
    const auto& gradient = gradients[0];
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(ctx->saved_data["group"].toCapsule());
    const auto& group = kept->group;
    const auto channels = x.size(1);
    const bool has_images = x.numel() > 0;
    at::Tensor of_scale = at::zeros_like(scale), of_shift = at::zeros_like(scale);
    if (has_images) {
      // Given the statistics of all, the sums that it takes of its own images are Σ ∂y·x̂ and Σ ∂y.
      std::tie(std::ignore, of_scale, of_shift) = at::native_batch_norm_backward(
          gradient, x, scale, {}, {}, mean, inverse, /*train=*/true, 0.0, {false, true, true});
    }
    auto sums = at::cat({of_scale, of_shift}).to(at::kDouble);
    group->guarded([&] { group->sum(sums); });
    at::Tensor of_x;
    if (has_images) {
      const auto means = (sums / n).to(scale.scalar_type());
      const auto factor = scale * inverse;
      const auto along_x = -factor * inverse * means.slice(0, 0, channels);
      const auto constant = -factor * means.slice(0, channels);
      // The mean first: where it is far from 0, what would be left of two large products is rounding.
      of_x = at::sub(x, along_channels(mean));
      of_x.mul_(along_channels(along_x)).add_(along_channels(constant));
      of_x.addcmul_(gradient, along_channels(factor));
      of_x = of_x.to(x.scalar_type());
    } else {
      of_x = at::zeros_like(x);
    }
    return {of_x, of_scale, of_shift, {}, {}, {}, {}, {}};
  }
};

void copy_text(const std::string& text, char* to, size_t room) {
  const auto length = std::min(text.size(), room - 1);
  std::memcpy(to, text.data(), length);
  to[length] = 0;
}

} // namespace

extern "C" {

// A group, or null and why not. `listener` is a socket that listens at `port`, taken over, or −1.
void* sculpt_collective_open(
    const char* host,
    uint16_t port,
    const char* own_address,
    const char* prefix,
    int hosts_store,
    int listener,
    int rank,
    int world,
    int64_t to_meet_ms,
    int64_t timeout_ms,
    char* error,
    size_t room) {
  try {
    return new Shared(std::make_shared<Group>(
        host,
        port,
        own_address,
        prefix,
        hosts_store != 0,
        listener,
        rank,
        world,
        Milliseconds(to_meet_ms),
        Milliseconds(timeout_ms)));
  } catch (const c10::Error& e) {
    copy_text(e.what_without_backtrace(), error, room);
  } catch (const std::exception& e) {
    copy_text(e.what(), error, room);
  } catch (...) {
    copy_text("an exception of no known kind", error, room);
  }
  return nullptr;
}

// `tensor` is an at::Tensor*, here and below. 0 where it failed, now or before.
int sculpt_collective_sum(void* group, void* tensor) {
  auto& g = **static_cast<Shared*>(group);
  return g.guarded([&] { g.sum(*static_cast<at::Tensor*>(tensor)); });
}

int sculpt_collective_broadcast(void* group, void* tensor, int root) {
  auto& g = **static_cast<Shared*>(group);
  return g.guarded([&] { g.broadcast(*static_cast<at::Tensor*>(tensor), root); });
}

int sculpt_collective_wait(void* group) {
  auto& g = **static_cast<Shared*>(group);
  return g.guarded([&] { g.wait(); });
}

// A new at::Tensor*, the caller's, or null where libtorch refuses. A group that fails leaves numbers without a meaning in it.
void* sculpt_collective_batch_norm(
    void* group,
    void* x,
    void* scale,
    void* shift,
    void* running_mean,
    void* running_variance,
    double momentum,
    double epsilon) {
  const auto& shared = *static_cast<Shared*>(group);
  auto* made = static_cast<at::Tensor*>(nullptr);
  const auto tensor = [](void* pointer) -> at::Tensor& { return *static_cast<at::Tensor*>(pointer); };
  try {
    made = new at::Tensor(BatchNorm::apply(
        tensor(x),
        tensor(scale),
        tensor(shift),
        tensor(running_mean),
        tensor(running_variance),
        momentum,
        epsilon,
        shared));
  } catch (...) {
    // Told by the group: the reason of what it refused stands there.
    auto thrown = std::current_exception();
    shared->guarded([&] { std::rethrow_exception(thrown); });
  }
  return made;
}

// Why the group failed; empty where it did not.
void sculpt_collective_failure(void* group, char* error, size_t room) {
  try {
    copy_text((**static_cast<Shared*>(group)).failure(), error, room);
  } catch (...) {
    error[0] = 0;
  }
}

void sculpt_collective_close(void* group) {
  delete static_cast<Shared*>(group);
}

} // extern "C"
