#include "port.h"

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <rte_config.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace bypass {
namespace {

// 2048 buffers fit into `-m 64` and cover both descriptor rings, a burst and the pool cache several
// times.
constexpr unsigned kMbufs = 2047;
constexpr unsigned kMbufCache = 256;
constexpr uint16_t kDescriptors = 512;

static_assert(kAnyNode == SOCKET_ID_ANY, "see rte_memory.h");

std::string dpdk_error(const char* what, int code) {
  return std::string(what) + ": " + rte_strerror(code < 0 ? -code : code);
}

}  // namespace

Error init_eal(const std::vector<std::string>& arguments) {
  // EAL permutes argv and keeps pointers into it.
  static std::vector<std::string> kept;
  static std::vector<char*> argv;
  kept = arguments;
  for (std::string& argument : kept) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    return {"EAL_INIT", dpdk_error("rte_eal_init", rte_errno)};
  }
  return {};
}

bool hide_host_directories(Drivers drivers) {
  if (unshare(CLONE_NEWNS) != 0) return false;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  unsetenv("RUNTIME_DIRECTORY");  // a service manager's; it would send EAL elsewhere
  if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") != 0)
    return false;
#ifdef RTE_EAL_PMD_PATH
  if (drivers == Drivers::kLinked)
    mount("tmpfs", RTE_EAL_PMD_PATH, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
#endif
  return true;
}

namespace {
std::string private_directory;
}

void use_private_runtime_directory() {
  const char* const temporary = std::getenv("TMPDIR");
  std::string name = temporary != nullptr && *temporary != 0 ? temporary : "/tmp";
  name += "/bypass-setup-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) return;
  private_directory = name;
  setenv("RUNTIME_DIRECTORY", name.c_str(), 1);  // read by eal_create_runtime_dir()
}

void remove_private_runtime_directory() {
  if (private_directory.empty()) return;
  rmdir(rte_eal_get_runtime_dir());
  rmdir((private_directory + "/dpdk").c_str());
  rmdir(private_directory.c_str());
}

bool find_port(const std::string& device, uint16_t& port) {
  uint16_t candidate;
  RTE_ETH_FOREACH_DEV(candidate) {
    rte_eth_dev_info info{};
    if (rte_eth_dev_info_get(candidate, &info) != 0 || info.device == nullptr) continue;
    if (device != rte_dev_name(info.device)) continue;
    port = candidate;
    return true;
  }
  return false;
}

int node_of(uint16_t port) { return rte_eth_dev_socket_id(port); }

Error create_mempool(rte_mempool*& pool, int node) {
  pool = rte_pktmbuf_pool_create("validator", kMbufs, kMbufCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                 node);
  if (pool == nullptr) return {"MEMPOOL", dpdk_error("rte_pktmbuf_pool_create", rte_errno)};
  return {};
}

namespace {

// rte_mempool_mem_cb_t, for each piece that the pool is made of.
void add_memory(rte_mempool*, void* result, rte_mempool_memhdr* piece, unsigned) {
  const rte_memseg_list* const list = rte_mem_virt2memseg_list(piece->addr);
  if (list == nullptr) return;
  auto& parts = *static_cast<std::vector<PoolMemory>*>(result);
  for (PoolMemory& part : parts) {
    if (part.node != list->socket_id || part.page_size != list->page_sz) continue;
    part.octets += piece->len;
    return;
  }
  parts.push_back({list->socket_id, list->page_sz, piece->len});
}

}  // namespace

std::vector<PoolMemory> memory_of(rte_mempool* pool) {
  std::vector<PoolMemory> parts;
  rte_mempool_mem_iter(pool, add_memory, &parts);
  return parts;
}

Error start_port(uint16_t port, rte_mempool* pool, int node) {
  const rte_eth_conf configuration{};
  int rc = rte_eth_dev_configure(port, 1, 1, &configuration);
  if (rc < 0) return {"PORT_START", dpdk_error("rte_eth_dev_configure", rc)};
  // Some devices have shorter rings, a virtio one for instance 256.
  uint16_t rx_descriptors = kDescriptors;
  uint16_t tx_descriptors = kDescriptors;
  rc = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_descriptors, &tx_descriptors);
  if (rc < 0) return {"PORT_START", dpdk_error("rte_eth_dev_adjust_nb_rx_tx_desc", rc)};
  const auto socket = static_cast<unsigned>(node);
  rc = rte_eth_rx_queue_setup(port, 0, rx_descriptors, socket, nullptr, pool);
  if (rc < 0) return {"PORT_START", dpdk_error("rte_eth_rx_queue_setup", rc)};
  rc = rte_eth_tx_queue_setup(port, 0, tx_descriptors, socket, nullptr);
  if (rc < 0) return {"PORT_START", dpdk_error("rte_eth_tx_queue_setup", rc)};
  rc = rte_eth_dev_start(port);
  if (rc < 0) return {"PORT_START", dpdk_error("rte_eth_dev_start", rc)};
  return {};
}

void stop_port(uint16_t port) {
  rte_eth_dev_stop(port);
  rte_eth_dev_close(port);
}

PortStats read_port_stats(uint16_t port) {
  rte_eth_stats stats{};
  PortStats result;
  if (rte_eth_stats_get(port, &stats) != 0) return result;
  result.imissed = stats.imissed;
  result.ierrors = stats.ierrors;
  result.rx_nombuf = stats.rx_nombuf;
  result.oerrors = stats.oerrors;
  return result;
}

std::vector<int> packet_sockets() {
  std::vector<int> found;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    int domain = 0;
    socklen_t length = sizeof domain;
    if (fd > 2 && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
        domain == AF_PACKET) {
      found.push_back(fd);
    }
  }
  closedir(folder);
  return found;
}

uint64_t take_socket_drops(const std::vector<int>& sockets) {
  uint64_t drops = 0;
  for (const int fd : sockets) {
    // The PMD uses TPACKET_V2, whose tpacket_stats is the prefix of every later version's.
    tpacket_stats stats{};
    socklen_t length = sizeof stats;
    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0)
      drops += stats.tp_drops;
  }
  return drops;
}

Error ignore_outgoing(const std::vector<int>& sockets) {
  // Not PACKET_IGNORE_OUTGOING: that is a property of the socket's own hook, and the PMD puts its
  // sockets into a fanout group, which receives through a hook of the group's.
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
  };
  const sock_fprog program{sizeof filter / sizeof *filter, filter};
  for (const int fd : sockets) {
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
      return {"PORT_START", with_errno("SO_ATTACH_FILTER", errno)};
  }
  return {};
}

Error forbid_interface_changes() {
#if defined(__x86_64__)
  constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "add this machine's AUDIT_ARCH_*"
#endif
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCSIFFLAGS, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCSIFMTU, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIOCSIFHWADDR, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof *filter, filter};
  // Without no_new_privs the filter needs CAP_SYS_ADMIN, seccomp(2).
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return {"SECCOMP", with_errno("seccomp", errno)};
  }
  return {};
}

}  // namespace bypass
