// Helper threads: they leave every signal to the loop's thread.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace scoutfs::node {

// The first thing a helper thread does.
inline void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace scoutfs::node
