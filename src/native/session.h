// One validation run, from EAL start to the last figure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "counters.h"
#include "error.h"
#include "figures.h"
#include "judge.h"
#include "link.h"
#include "port.h"

namespace bypass {

// kQuiet polls a ring that nobody fills: the loop alone, without packets or the kernel.
enum class Mode { kEmbedded, kRing, kInterface, kPort, kQuiet };

struct SessionConfig {
  Mode mode = Mode::kRing;
  std::vector<std::string> eal_arguments;
  int cpu = 0;                  // the poll loop's
  std::vector<int> other_cpus;  // everything else's; may be empty
  bool wait = false;            // for the parent's word before the window begins
  std::vector<std::string> files;       // read around the window, on the polling CPU
  std::vector<CounterSource> counters;  // likewise
  uint64_t duration_ms = 0;
  unsigned stride = 4;
  bool has_address = false;  // interface and port mode; the other modes have their own
  uint8_t address[4] = {};
  std::string pci;                // port mode: the NIC
  bool kernel_interface = false;  // the device has one that the operator goes on using
};

// The account of the polling core, read on the poll thread right around the loop.
struct Snapshot {
  std::vector<FileText> files;         // parallel to SessionConfig::files
  std::vector<CounterValue> counters;  // parallel to SessionConfig::counters
  uint64_t involuntary_switches = 0;   // this and the next three: getrusage(RUSAGE_THREAD)
  uint64_t voluntary_switches = 0;
  uint64_t minor_faults = 0;
  uint64_t major_faults = 0;
};

struct SelfTestResult {
  uint64_t consumed = 0;
  uint64_t replies = 0;
  uint64_t wrong_replies = 0;
  std::vector<std::string> problems;
};

// Port mode: what only hardware has.
struct PortResult {
  int node = kAnyNode;
  std::vector<PoolMemory> memory;
  Link link;  // before the first poll
  uint64_t link_losses = 0;
};

struct SessionResult {
  Error error;
  std::string dpdk_version;
  std::string driver;  // the PMD's name
  std::string mac;
  uint64_t started_at_ms = 0;  // CLOCK_REALTIME, start of the measured window
  uint64_t setup_ns = 0;       // from the call to the first poll
  uint64_t duration_ns = 0;
  Snapshot before;
  Snapshot after;
  PortStats stats;
  bool has_socket_drops = false;
  uint64_t socket_drops = 0;
  bool has_judge = false;
  JudgeResult judge;
  bool has_self_test = false;
  SelfTestResult self_test;
  bool has_port = false;
  PortResult port;
};

// Blocks for the whole run. `figures` must be zero. Works once per process.
SessionResult run_session(const SessionConfig& config, Figures& figures);

}  // namespace bypass
