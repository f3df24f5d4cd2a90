// Splits work between threads that are kept for it.
#ifndef KVD_POOL_H_
#define KVD_POOL_H_

#include <cstdint>
#include <functional>

namespace kvd {

// How many parts of at most `part` make up the whole.
constexpr int64_t Parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

// Calls work(i) once for each i in [0, count), on as many threads as TensorFlow computes with
// (TF_NUM_INTRAOP_THREADS, else one a core). Which thread takes which i is not fixed: what depends on the order of
// additions must not depend on the thread.
void ParallelFor(int64_t count, const std::function<void(int64_t)>& work);

// How many threads those are.
int ThreadCount();

}  // namespace kvd

#endif  // KVD_POOL_H_
