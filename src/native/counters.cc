#include "counters.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace bypass {
namespace {

int open_event(const CounterSource& source, int cpu) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = source.type;
  attributes.config = source.config;
  // For the CPU and not for a task: such an event flips no static key, which would interrupt every CPU.
  constexpr int kAnyTask = -1;
  constexpr int kNoGroup = -1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, kAnyTask, cpu, kNoGroup,
                                  PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

FileText read_text(const std::string& path) {
  FileText file;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    file.code = errno;
    return file;
  }
  char buffer[65536];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    file.text.append(buffer, static_cast<size_t>(got));
  if (got < 0) file.code = errno;
  close(fd);
  return file;
}

Counters::Counters(const std::vector<CounterSource>& sources, int cpu) {
  for (const CounterSource& source : sources) {
    const bool is_register = !source.msr.empty();
    const int fd =
        is_register ? open(source.msr.c_str(), O_RDONLY | O_CLOEXEC) : open_event(source, cpu);
    open_.push_back({fd, fd < 0 ? errno : 0, is_register, source.reg});
  }
}

Counters::~Counters() {
  for (const Open& one : open_)
    if (one.fd >= 0) close(one.fd);
}

std::vector<CounterValue> Counters::read() const {
  std::vector<CounterValue> values;
  for (const Open& one : open_) {
    CounterValue value{one.code, 0};
    if (one.fd >= 0) {
      const ssize_t got =
          one.is_register
              ? pread(one.fd, &value.value, sizeof value.value, static_cast<off_t>(one.reg))
              : ::read(one.fd, &value.value, sizeof value.value);
      if (got != sizeof value.value) value.code = got < 0 ? errno : EIO;
    }
    values.push_back(value);
  }
  return values;
}

}  // namespace bypass
