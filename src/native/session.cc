#include "session.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_version.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "clock.h"
#include "cpus.h"
#include "figures.h"
#include "loop.h"
#include "netlink.h"
#include "selftest.h"

namespace bypass {
namespace {

enum State : uint64_t { kStateStarting = 1, kStateWaiting, kStateMeasuring, kStateDone };

// The judge stops before the loop does, so that its last request still finds an answerer.
constexpr uint64_t kJudgeMarginNs = 60000000;
// Time between the first clock reading and the loop, for a TSC rate good to about 10 ppm.
constexpr uint64_t kCalibrationNs = 50000000;

// Gaps up to the threshold are not told apart one by one.
constexpr double kThresholdMaxNs = 300;

void read_files(const std::vector<std::string>& paths, Snapshot& snapshot) {
  for (const std::string& path : paths) snapshot.files.push_back(read_text(path));
}

void read_usage(Snapshot& snapshot) {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  snapshot.involuntary_switches = static_cast<uint64_t>(usage.ru_nivcsw);
  snapshot.voluntary_switches = static_cast<uint64_t>(usage.ru_nvcsw);
  snapshot.minor_faults = static_cast<uint64_t>(usage.ru_minflt);
  snapshot.major_faults = static_cast<uint64_t>(usage.ru_majflt);
}

class Session {
 public:
  Session(const SessionConfig& config, Figures& figures) : config_(config), figures_(figures) {}

  SessionResult run() {
    set(figures_.word[magicWord], kFiguresMagic);
    set(figures_.word[versionWord], kFiguresVersion);
    set(figures_.word[stateWord], kStateStarting);
    result_.dpdk_version = rte_version();
    result_.error = prepare_and_poll();
    set(figures_.word[stateWord], kStateDone);
    return result_;
  }

 private:
  Error prepare_and_poll() {
    const ClockPair begin = read_clock_pair();
    if (const int code = try_cpu(config_.cpu)) {
      return {"CPU_NOT_ALLOWED", with_errno("the kernel refused it (sched_setaffinity)", code)};
    }
    const Drivers drivers = config_.mode == Mode::kPort ? Drivers::kAll : Drivers::kLinked;
    if (!hide_host_directories(drivers)) use_private_runtime_directory();
    if (config_.mode == Mode::kEmbedded) {
      if (const Error error = create_wire()) return error;
    }
    if (config_.kernel_interface) {
      if (const Error error = forbid_interface_changes()) return error;
    }
    const Error eal = init_eal(config_.eal_arguments);
    remove_private_runtime_directory();
    if (eal) return eal;

    uint16_t port = 0;
    int node = kAnyNode;
    // rte_eal_init succeeds even when the device it was told to make or to use could not be opened.
    if (config_.mode == Mode::kPort) {
      if (!find_port(config_.pci, port)) return {"PORT_COUNT", "EAL started, but without this port"};
      node = node_of(port);
    } else if (!without_device()) {
      if (rte_eth_dev_count_avail() == 0) return {"PORT_COUNT", "EAL started, but with no port"};
      port = static_cast<uint16_t>(rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER));
    }
    rte_mempool* pool = nullptr;
    if (const Error error = create_mempool(pool, node)) return error;
    if (without_device()) {
      if (const Error error = self_test_.create(pool, port)) return error;
    }
    if (const Error error = start_port(port, pool, node)) return error;
    if (config_.mode == Mode::kPort) {
      result_.has_port = true;
      result_.port.node = node;
      result_.port.memory = memory_of(pool);
      result_.port.link = wait_for_link(port, figures_.word[stopWord]);
      if (result_.port.link.up) link_watch_.start(port, config_.other_cpus);
    }
    const Error error = poll(port, begin);
    result_.port.link_losses = link_watch_.finish();
    stop_port(port);
    return error;
  }

  // The veth pair: one end in this namespace for the loop, the other in the judge's.
  Error create_wire() {
    judge_.start(config_.other_cpus);
    int namespace_fd = -1;
    if (const Error error = judge_.wait_for_namespace(namespace_fd)) return error;
    Netlink netlink;
    if (const Error error = netlink.open()) return error;
    if (const Error error =
            netlink.create_veth(kValidatorInterface, kPeerInterface, namespace_fd)) {
      return {"VETH", "creating a veth pair: " + error.message};
    }
    netlink.disable_ipv6_autoconfiguration(kValidatorInterface);
    return netlink.set_up(kValidatorInterface);
  }

  bool without_device() const {
    return config_.mode == Mode::kRing || config_.mode == Mode::kQuiet;
  }

  // Lets the windows of several processes begin together: so none sees another one start.
  void wait_for_go() {
    set(figures_.word[stateWord], kStateWaiting);
    while (get(figures_.word[goWord]) == 0 && get(figures_.word[stopWord]) == 0) usleep(500);
  }

  Error poll(uint16_t port, const ClockPair& begin) {
    rte_ether_addr mac{};
    rte_eth_macaddr_get(port, &mac);
    const uint8_t* own_mac = config_.mode == Mode::kRing ? kSelfTestMac : mac.addr_bytes;
    const bool own_address = config_.mode == Mode::kEmbedded || config_.mode == Mode::kRing;
    const uint8_t* address = own_address           ? kValidatorAddress
                             : config_.has_address ? config_.address
                                                   : nullptr;
    char text[18];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", own_mac[0], own_mac[1],
                  own_mac[2], own_mac[3], own_mac[4], own_mac[5]);
    result_.mac = text;
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(port, &info) == 0 && info.driver_name != nullptr)
      result_.driver = info.driver_name;

    const std::vector<int> sockets =
        without_device() ? std::vector<int>{} : packet_sockets();
    if (const Error error = ignore_outgoing(sockets)) return error;

    ClockPair start = read_clock_pair();
    while (start.raw_ns - begin.raw_ns < kCalibrationNs) {
      usleep(5000);
      start = read_clock_pair();
    }
    double hz = tsc_hz(begin, start);
    set(figures_.word[tscHzWord], static_cast<uint64_t>(hz));
    set(figures_.word[tscStepWord], tsc_step());

    LoopConfig loop;
    loop.port = port;
    loop.responder = Responder::make(own_mac, address);
    loop.stride = config_.stride;
    loop.cycles = static_cast<uint64_t>(hz * static_cast<double>(config_.duration_ms) / 1000);
    // Counters are slow on some machines (25 MHz on arm64): a stall of a microsecond must be above
    // it.
    while (loop.threshold > 1 && static_cast<double>(loop.threshold) * 1e9 > kThresholdMaxNs * hz)
      loop.threshold /= 2;
    loop.hook = config_.mode == Mode::kRing ? &self_test_ : nullptr;

    const Counters counters(config_.counters, config_.cpu);
    if (config_.wait) wait_for_go();

    const PortStats stats_before = read_port_stats(port);
    take_socket_drops(sockets);
    timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    result_.started_at_ms =
        static_cast<uint64_t>(wall.tv_sec) * 1000 + static_cast<uint64_t>(wall.tv_nsec) / 1000000;
    if (config_.mode == Mode::kEmbedded) {
      const uint64_t window = config_.duration_ms * 1000000;
      judge_.begin(own_mac, window > kJudgeMarginNs ? window - kJudgeMarginNs : 0);
    }

    set(figures_.word[stateWord], kStateMeasuring);
    // The switches next to the loop on both sides: reading the files takes long enough for some.
    read_files(config_.files, result_.before);
    result_.before.counters = counters.read();
    read_usage(result_.before);
    start = read_clock_pair();
    result_.setup_ns = start.raw_ns - begin.raw_ns;
    run_loop(loop, figures_);
    const ClockPair end = read_clock_pair();
    read_usage(result_.after);
    result_.after.counters = counters.read();
    read_files(config_.files, result_.after);
    result_.duration_ns = end.raw_ns - start.raw_ns;
    hz = tsc_hz(start, end);
    set(figures_.word[tscHzWord], static_cast<uint64_t>(hz));
    const PortStats stats = read_port_stats(port);
    result_.stats.imissed = stats.imissed - stats_before.imissed;
    result_.stats.ierrors = stats.ierrors - stats_before.ierrors;
    result_.stats.rx_nombuf = stats.rx_nombuf - stats_before.rx_nombuf;
    result_.stats.oerrors = stats.oerrors - stats_before.oerrors;
    if (!sockets.empty()) {
      result_.has_socket_drops = true;
      result_.socket_drops = take_socket_drops(sockets);
    }
    if (config_.mode == Mode::kEmbedded) {
      result_.has_judge = true;
      judge_.cancel();  // it is through, unless the loop was stopped early
      result_.judge = judge_.finish();
      if (result_.judge.error) return result_.judge.error;
    }
    if (config_.mode == Mode::kRing) {
      result_.has_self_test = true;
      result_.self_test.problems = self_test_.finish(figures_);
      result_.self_test.consumed = self_test_.consumed();
      result_.self_test.replies = self_test_.replies();
      result_.self_test.wrong_replies = self_test_.wrong_replies();
    }
    return {};
  }

  const SessionConfig& config_;
  Figures& figures_;
  Judge judge_;
  SelfTest self_test_;
  LinkWatch link_watch_;
  SessionResult result_;
};

}  // namespace

SessionResult run_session(const SessionConfig& config, Figures& figures) {
  // EAL pins the thread that calls rte_eal_init and lets its own threads inherit the signal mask:
  // neither should be JavaScript's. With everything blocked here, no signal handler ever runs on
  // the polling core.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // EAL's control threads get the affinity that rte_eal_init was called with, less the polling
  // core.
  pin_all_threads_to(config.other_cpus);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  SessionResult result;
  std::thread poller([&] { result = Session(config, figures).run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  poller.join();
  return result;
}

}  // namespace bypass
