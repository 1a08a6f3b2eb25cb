// Runs the validator's poll loop on any EAL port, for bench/poll-loop.mjs only.
//
//   poll_loop_main <ms> <blocks> <stride> <EAL arguments...>
//
// Ends after that many milliseconds or blocks, whichever is first, and prints one line of JSON. The
// responder's MAC address is 02:00:00:00:00:02, its IPv4 address 198.18.0.2, whatever the port
// says: files replay the packets.
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "clock.h"
#include "loop.h"
#include "port.h"

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  const double milliseconds = std::atof(argv[1]);
  std::vector<std::string> arguments = {"poll_loop"};
  for (int i = 4; i < argc; ++i) arguments.emplace_back(argv[i]);

  rte_mempool* pool = nullptr;
  bypass::Error error = bypass::init_eal(arguments);
  if (!error) error = bypass::create_mempool(pool);
  if (!error && rte_eth_dev_count_avail() == 0) error = {"PORT_COUNT", "no port"};
  if (!error) error = bypass::start_port(0, pool);
  if (error) {
    std::fprintf(stderr, "%s: %s\n", error.code.c_str(), error.message.c_str());
    return 1;
  }

  static bypass::Figures figures;
  const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
  const uint8_t address[4] = {198, 18, 0, 2};
  bypass::LoopConfig config;
  config.responder = bypass::Responder::make(mac, address);
  config.max_blocks = std::strtoull(argv[2], nullptr, 10);
  config.stride = static_cast<unsigned>(std::atoi(argv[3]));
  config.cycles =
      static_cast<uint64_t>(milliseconds / 1000 * static_cast<double>(rte_get_tsc_hz()));

  const bypass::ClockPair start = bypass::read_clock_pair();
  bypass::run_loop(config, figures);
  const bypass::ClockPair end = bypass::read_clock_pair();
  auto word = [](bypass::Word which) { return bypass::get(figures.word[which]); };
  std::printf("{\"seconds\":%.9f,\"resolutionNs\":%.1f,\"polls\":%" PRIu64 ",\"empty\":%" PRIu64
              ",\"received\":%" PRIu64 ",\"answered\":%" PRIu64 "}\n",
              static_cast<double>(end.raw_ns - start.raw_ns) / 1e9,
              static_cast<double>(bypass::tsc_step()) / bypass::tsc_hz(start, end) * 1e9,
              word(bypass::pollsWord), word(bypass::pollsWord) - word(bypass::batchesWord),
              word(bypass::receivedWord),
              bypass::get(figures.verdict[0]) + bypass::get(figures.verdict[1]));
  bypass::stop_port(0);
  return 0;
}
