// CPU affinity of threads.
#pragma once

#include <vector>

namespace bypass {

// Moves the calling thread to these CPUs; no list or a refusal leaves it where it is.
void pin_to(const std::vector<int>& cpus);

// The same for every thread this process has (V8's workers, the JavaScript thread).
void pin_all_threads_to(const std::vector<int>& cpus);

// Whether the calling thread may run there: 0 or an errno. Its affinity stays as it is.
int try_cpu(int cpu);

}  // namespace bypass
