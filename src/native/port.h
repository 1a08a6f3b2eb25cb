// DPDK's side of a run: EAL, one port with one queue pair, its drop counters, and the sockets
// behind net_af_packet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "error.h"

struct rte_mempool;

namespace bypass {

struct PortStats {
  uint64_t imissed = 0;
  uint64_t ierrors = 0;
  uint64_t rx_nombuf = 0;
  uint64_t oerrors = 0;
};

// Once per process: neither a second rte_eal_init nor one after a failure is possible.
Error init_eal(const std::vector<std::string>& arguments);

// Which drivers EAL shall know: those linked in, or every PMD of the installation as well.
enum class Drivers { kLinked, kAll };

// Gives the calling thread its own mount namespace with an empty /run (EAL leaves a directory
// there, even with --no-shconf) and, where the linked drivers do, an empty driver directory (EAL
// would load every PMD in it). Returns false where that is not permitted; that costs some start-up
// time and needs the next two.
bool hide_host_directories(Drivers drivers);

// A temporary directory for EAL's run directory, and its removal as soon as EAL is up (nothing is
// kept in it).
void use_private_runtime_directory();
void remove_private_runtime_directory();

// The port of the device with this name: EAL may find others on buses that no option names. False
// where there is none.
bool find_port(const std::string& device, uint16_t& port);

// No NUMA node in particular: DPDK's SOCKET_ID_ANY.
constexpr int kAnyNode = -1;

// The NUMA node of the port's device, or kAnyNode where the firmware names none.
int node_of(uint16_t port);

Error create_mempool(rte_mempool*& pool, int node = kAnyNode);

// A part of a pool's memory: where EAL found it to be, not where it was asked for.
struct PoolMemory {
  int node = 0;
  uint64_t page_size = 0;
  uint64_t octets = 0;
};
std::vector<PoolMemory> memory_of(rte_mempool* pool);

// Configures and starts the port: one receive and one transmit queue.
Error start_port(uint16_t port, rte_mempool* pool, int node = kAnyNode);
void stop_port(uint16_t port);

PortStats read_port_stats(uint16_t port);

// The AF_PACKET sockets that the PMD opened. Their kernel drop counter is the real one: the PMD
// reports none.
std::vector<int> packet_sockets();
// tp_drops of PACKET_STATISTICS since the last call (reading resets it, packet(7)), summed.
uint64_t take_socket_drops(const std::vector<int>& sockets);
// Frames that this host's own kernel sends on the interface are not received ones.
Error ignore_outgoing(const std::vector<int>& sockets);

// From now on this thread's SIOCSIFFLAGS, SIOCSIFMTU and SIOCSIFHWADDR do nothing and report
// success.
// rte_eth_dev_start "restores" the MAC address and the promiscuous flag; on a user's interface it
// would clear an IFF_PROMISC the operator had set and turn addr_assign_type into NET_ADDR_SET.
// Enforced by the kernel (seccomp), so it holds whatever ends this process.
Error forbid_interface_changes();

}  // namespace bypass
