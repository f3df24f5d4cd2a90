// Where the bytes of tensors lie on the CPU, and those of products' scratch (kernels/factor.h).
//
// TensorFlow asks glibc for blocks aligned to 64 bytes. Up to 2.37 glibc looks for room for the block and for any
// misalignment, which the hole that an equal block left does not have: as long as something stands behind the hole it
// stays empty, and loading a model left holes of half its weights and more. Blocks that are not
// small therefore get a range of addresses of their own, where each lies in the first hole that holds it.
#include "allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_map>

#include "xla/tsl/framework/allocator.h"
#include "xla/tsl/framework/allocator_registry.h"

namespace {

/// Smaller blocks, a thousandth of all bytes in a training step, are malloc's. Bytes.
constexpr size_t kSmall = 64 << 10;
constexpr size_t kPage = 4096;

/// A range of addresses, whose pages the kernel gives when they are first written, large ones where it has them: a
/// product goes through thousands of small ones. Freed blocks keep theirs for the next ones: faulting pages in and
/// clearing them took half of the time of a training step.
class Range {
 public:
  Range() {
    // Tensors that do not fit into memory do not fit here; twice as much leaves room for holes.
    const size_t size = 2 * static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (start == MAP_FAILED) return;
    madvise(start, size, MADV_HUGEPAGE);
    start_ = static_cast<char*>(start);
    size_ = size;
    holes_[0] = size;
  }

  bool Has(const void* block) const { return block >= start_ && block < start_ + size_; }

  /// A block of as many bytes, on pages of its own; null where no hole holds it.
  void* Take(size_t bytes) {
    bytes = (bytes + kPage - 1) / kPage * kPage;
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
      const auto [at, room] = *hole;
      if (room < bytes) continue;
      holes_.erase(hole);
      if (room > bytes) holes_[at + bytes] = room - bytes;
      blocks_[at] = bytes;
      return start_ + at;
    }
    return nullptr;
  }

  void Return(void* block) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto known = blocks_.find(static_cast<char*>(block) - start_);
    const auto [at, bytes] = *known;
    blocks_.erase(known);
    auto hole = holes_.emplace(at, bytes).first;
    Join(hole);
    if (hole != holes_.begin()) Join(std::prev(hole));
  }

 private:
  using Holes = std::map<size_t, size_t>;

  /// Makes one of a hole and the next where they touch.
  void Join(Holes::iterator hole) {
    const auto next = std::next(hole);
    if (next == holes_.end() || hole->first + hole->second != next->first) return;
    hole->second += next->second;
    holes_.erase(next);
  }

  char* start_ = nullptr;
  size_t size_ = 0;
  std::mutex mutex_;
  /// Bytes by where they begin.
  Holes holes_;
  std::unordered_map<size_t, size_t> blocks_;
};

/// Never destroyed: threads may still compute when the process ends.
Range& TheRange() {
  static Range* range = new Range;
  return *range;
}

class TensorAllocator : public tsl::Allocator {
 public:
  std::string Name() override { return "cpu"; }
  void* AllocateRaw(size_t alignment, size_t bytes) override { return kvd::TakeBlock(alignment, bytes); }
  void DeallocateRaw(void* block) override { kvd::ReturnBlock(block); }
};

class TensorSubAllocator : public tsl::SubAllocator {
 public:
  TensorSubAllocator() : SubAllocator({}, {}) {}
  void* Alloc(size_t alignment, size_t bytes, size_t* received) override {
    *received = bytes;
    return allocator_.AllocateRaw(alignment, bytes);
  }
  void Free(void* block, size_t) override { allocator_.DeallocateRaw(block); }
  bool SupportsCoalescing() const override { return false; }

 private:
  TensorAllocator allocator_;
};

class TensorAllocatorFactory : public tsl::AllocatorFactory {
 public:
  tsl::Allocator* CreateAllocator() override { return new TensorAllocator; }
  tsl::SubAllocator* CreateSubAllocator(int) override { return new TensorSubAllocator; }
};

// TensorFlow's own has priority 100.
const tsl::AllocatorFactoryRegistration registration(__FILE__, __LINE__, "kvd", 200, new TensorAllocatorFactory);

}  // namespace

namespace kvd {

void* TakeBlock(size_t alignment, size_t bytes) {
  void* block = bytes < kSmall || alignment > kPage ? nullptr : TheRange().Take(bytes);
  if (block != nullptr) return block;
  return posix_memalign(&block, std::max(alignment, sizeof(void*)), bytes) == 0 ? block : nullptr;
}

void ReturnBlock(void* block) {
  if (TheRange().Has(block)) {
    TheRange().Return(block);
  } else {
    free(block);
  }
}

}  // namespace kvd
