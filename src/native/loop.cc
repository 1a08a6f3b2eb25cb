#include "loop.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "packet_fast.h"

namespace bypass {
namespace {

// What the loop counts between two publications. Local to the poll thread, so no other core's read
// slows it down.
struct Counters {
  uint64_t polls = 0;
  uint64_t batches = 0;
  uint64_t gaps = 0;
  uint64_t gap_max = 0;
  uint64_t busy_max = 0;
  uint64_t busy_cycles = 0;
  uint64_t received = 0;
  uint64_t octets = 0;
  uint64_t sent = 0;
  uint64_t dropped_tx = 0;
  uint64_t verdict[kVerdicts] = {};
};

void publish(const Counters& now, uint64_t run_cycles, Figures& figures) {
  Cell* const word = figures.word;
  const uint64_t sequence = get(word[sequenceWord]);
  set(word[sequenceWord], sequence + 1);
  std::atomic_thread_fence(std::memory_order_release);
  set(word[heartbeatWord], get(word[heartbeatWord]) + 1);
  set(word[runCyclesWord], run_cycles);
  set(word[pollsWord], now.polls);
  set(word[batchesWord], now.batches);
  set(word[gapsWord], now.gaps);
  set(word[gapMaxWord], now.gap_max);
  set(word[busyMaxWord], now.busy_max);
  set(word[busyCyclesWord], now.busy_cycles);
  if (now.received != get(word[receivedWord])) {
    set(word[receivedWord], now.received);
    set(word[octetsReceivedWord], now.octets);
    set(word[sentWord], now.sent);
    set(word[droppedTxWord], now.dropped_tx);
    for (size_t i = 0; i < kVerdicts; ++i) set(figures.verdict[i], now.verdict[i]);
  }
  word[sequenceWord].store(sequence + 2, std::memory_order_release);
}

// Returns whether the packet is now a reply that can be sent; otherwise it is freed.
__attribute__((noinline)) bool handle_unusual(const Responder& responder, rte_mbuf* packet,
                                              Counters& counters) {
  // Only the first segment is looked at: a length beyond it counts as truncated.
  const Handled handled =
      handle_frame(responder, rte_pktmbuf_mtod(packet, uint8_t*), packet->data_len);
  counters.verdict[static_cast<size_t>(handled.verdict)]++;
  if (handled.length == 0) {
    rte_pktmbuf_free(packet);
    return false;
  }
  if (packet->nb_segs != 1) {
    rte_pktmbuf_free(packet->next);
    packet->next = nullptr;
    packet->nb_segs = 1;
  }
  packet->data_len = static_cast<uint16_t>(handled.length);
  packet->pkt_len = handled.length;
  return true;
}

inline void handle_batch(const LoopConfig& config, rte_mbuf** packets, uint16_t count,
                         Counters& counters) {
  rte_mbuf* replies[kBurst];
  rte_mbuf** next = replies;
  const Responder responder = config.responder;
  for (rte_mbuf **at = packets, **end = packets + count; at != end; ++at) {
    rte_mbuf* const packet = *at;
    const uint32_t length = packet->data_len;
    counters.octets += length;
    Verdict verdict = kUndecided;
    if (likely(packet->nb_segs == 1)) {
      verdict = answer_fast(responder, rte_pktmbuf_mtod(packet, uint8_t*), length);
    }
    if (likely(verdict != kUndecided)) {
      counters.verdict[static_cast<size_t>(verdict)]++;
    } else if (!handle_unusual(responder, packet, counters)) {
      continue;
    }
    *next++ = packet;
  }
  const auto reply_count = static_cast<uint16_t>(next - replies);
  counters.received += count;
  if (reply_count == 0) return;
  const uint16_t sent = rte_eth_tx_burst(config.port, 0, replies, reply_count);
  counters.sent += sent;
  if (unlikely(sent < reply_count)) {
    counters.dropped_tx += reply_count - sent;
    rte_pktmbuf_free_bulk(replies + sent, reply_count - sent);
  }
}

template <unsigned kStride>
void poll(const LoopConfig& config, Figures& figures) {
  Counters counters;
  rte_mbuf* packets[kBurst];
  const uint16_t port = config.port;
  const uint64_t threshold = config.threshold;
  uint64_t blocks = 0;
  uint64_t outside = 0;  // spent in the hook

  const uint64_t start = rte_rdtsc();
  const uint64_t deadline = start + config.cycles;
  uint64_t last = start;
  bool running = true;
  while (running) {
    uint64_t gap = 0;
    unsigned windows = 0;
    unsigned unfinished = 0;  // windows that packets cut short
    bool sampled = true;
    while (windows < kWindows) {
      ++windows;
      uint16_t received = 0;
      unsigned empty = 0;
#pragma GCC unroll 8
      for (; empty < kStride; ++empty) {
        received = rte_eth_rx_burst(port, 0, packets, kBurst);
        if (unlikely(received != 0)) break;
      }
      const uint64_t now = rte_rdtsc();
      gap = now - last;
      last = now;
      if (unlikely(gap > threshold)) {
        add(figures.gap[bucket_of(gap)], 1);
        if (gap > counters.gap_max) counters.gap_max = gap;
      }
      if (likely(received == 0)) continue;

      handle_batch(config, packets, received, counters);
      const uint64_t done = rte_rdtsc();
      const uint64_t busy = done - now;
      last = done;
      add(figures.busy[bucket_of(busy)], 1);
      if (busy > counters.busy_max) counters.busy_max = busy;
      counters.busy_cycles += busy;
      counters.batches++;
      counters.polls += empty + 1;
      ++unfinished;
      // A batch may hold system calls, and a block of them would outlast any deadline.
      if (unlikely(done >= deadline)) {
        sampled = false;
        break;
      }
    }
    counters.gaps += windows;
    counters.polls += uint64_t{windows - unfinished} * kStride;
    if (sampled) add(figures.sample[bucket_of(gap)], 1);

    if (config.hook != nullptr) {
      const uint64_t before = rte_rdtsc();
      config.hook->on_block();
      const uint64_t after = rte_rdtsc();
      outside += after - before;
      // What passed between the last reading and the hook stays in the next gap.
      last += after - before;
    }
    publish(counters, last - start - outside, figures);
    running = last < deadline && ++blocks < config.max_blocks && get(figures.word[stopWord]) == 0;
  }
}

}  // namespace

void run_loop(const LoopConfig& config, Figures& figures) {
  set(figures.word[strideWord], config.stride);
  set(figures.word[thresholdWord], config.threshold);
  switch (config.stride) {
    case 1:
      return poll<1>(config, figures);
    case 2:
      return poll<2>(config, figures);
    case 8:
      return poll<8>(config, figures);
    default:
      return poll<4>(config, figures);
  }
}

}  // namespace bypass
