// What the kernel and the processor count for the polling CPU: files as text, and 64-bit counters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bypass {

// A model-specific register through /dev/cpu/N/msr (msr(4)), or an event of a PMU (perf_event_open(2)).
struct CounterSource {
  std::string msr;  // empty: a perf event
  uint64_t reg = 0;
  uint32_t type = 0;
  uint64_t config = 0;
};

// A value, or the errno of the attempt.
struct CounterValue {
  int code = 0;
  uint64_t value = 0;
};

struct FileText {
  int code = 0;
  std::string text;
};

FileText read_text(const std::string& path);

// Counters that stay open, so that a reading is one system call each. The thread must be on `cpu`: from
// there neither a register nor an event takes an interrupt to be read.
class Counters {
 public:
  Counters(const std::vector<CounterSource>& sources, int cpu);
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;
  std::vector<CounterValue> read() const;

 private:
  struct Open {
    int fd;
    int code;
    bool is_register;
    uint64_t reg;
  };
  std::vector<Open> open_;
};

}  // namespace bypass
