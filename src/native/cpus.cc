#include "cpus.h"

#include <dirent.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

namespace bypass {
namespace {

// 0 or an errno.
int pin(int thread, const std::vector<int>& cpus) {
  if (cpus.empty()) return 0;
  int highest = 0;
  for (const int cpu : cpus) highest = cpu > highest ? cpu : highest;
  // Sized for the machine: a plain cpu_set_t ends at CPU 1023.
  cpu_set_t* const set = CPU_ALLOC(static_cast<size_t>(highest) + 1);
  if (set == nullptr) return ENOMEM;
  const size_t size = CPU_ALLOC_SIZE(static_cast<size_t>(highest) + 1);
  CPU_ZERO_S(size, set);
  for (const int cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), size, set);
  const int code = sched_setaffinity(thread, size, set) == 0 ? 0 : errno;
  CPU_FREE(set);
  return code;
}

}  // namespace

void pin_to(const std::vector<int>& cpus) { pin(0, cpus); }

void pin_all_threads_to(const std::vector<int>& cpus) {
  DIR* const folder = opendir("/proc/self/task");
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    const int thread = std::atoi(entry->d_name);
    if (thread > 0) pin(thread, cpus);
  }
  closedir(folder);
}

int try_cpu(int cpu) {
  int code = 0;
  // On a thread of its own, which takes the changed affinity with it.
  std::thread([&] { code = pin(0, {cpu}); }).join();
  return code;
}

}  // namespace bypass
