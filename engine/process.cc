// What the process must be before TensorFlow computes in it.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>

// Keeps signal handlers off the threads that compute.
//
// oneDNN's generated AVX-512 matrix kernel keeps data below the stack pointer, where a signal handler that
// interrupts it puts its own frame: the result is heap corruption (seen with libtensorflow 2.21: Ctrl-C, a
// child's end or a profiler's tick during a matmul, "corrupted size vs. prev_size"). The thread that loads the
// addon, and TensorFlow's own threads, which inherit its mask, therefore block what a process can be sent;
// Node's other threads take these signals instead, and libuv hands them on as ever.
__attribute__((constructor)) static void BlockSignalsOnThisThread() {
  const int sent_to_processes[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1, SIGUSR2, SIGCHLD,
                                   SIGALRM, SIGCONT, SIGIO,   SIGWINCH, SIGURG,  SIGVTALRM};
  sigset_t set;
  sigemptyset(&set);
  for (int number : sent_to_processes) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// Keeps the memory of freed tensors for the next ones.
//
// Every op allocates its result, and glibc gives large blocks back to the kernel at once: the pages of the next
// result are faulted in and cleared again, which took half of the time of a training step (docs/lab-log.md).
// Musl's allocator has no such settings, and mallopt is not declared there.
#ifdef __GLIBC__
__attribute__((constructor)) static void KeepFreedMemory() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
}
#endif
