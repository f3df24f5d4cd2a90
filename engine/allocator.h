// Blocks of memory that stay the process's own when they are returned, for the next ones.
#ifndef KVD_ALLOCATOR_H_
#define KVD_ALLOCATOR_H_

#include <cstddef>

namespace kvd {

// Null where there is no memory left.
void* TakeBlock(size_t alignment, size_t bytes);
void ReturnBlock(void* block);

}  // namespace kvd

#endif  // KVD_ALLOCATOR_H_
