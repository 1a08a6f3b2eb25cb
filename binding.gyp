{
  "variables": {
    # Without the DPDK headers the validator is left out and the install still succeeds; the client says what is missing.
    "have_dpdk%": "<!(pkg-config --atleast-version=22.11 libdpdk 2>/dev/null && echo 1 || echo 0)",
  },
  "target_defaults": {
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED"],
    "cflags": ["-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    "cflags_cc": ["-std=c++17"],
    "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20"],
  },
  "targets": [
    {
      "target_name": "kernel_query",
      "sources": ["src/native/kernel_query.cc"],
    },
    {
      "target_name": "validator",
      "conditions": [
        ["have_dpdk==1", {
          "sources": [
            "src/native/addon.cc",
            "src/native/clock.cc",
            "src/native/counters.cc",
            "src/native/cpus.cc",
            "src/native/judge.cc",
            "src/native/link.cc",
            "src/native/loop.cc",
            "src/native/netlink.cc",
            "src/native/packet.cc",
            "src/native/port.cc",
            "src/native/selftest.cc",
            "src/native/session.cc",
          ],
          "cflags": ["<!@(pkg-config --cflags libdpdk)"],
          # pkg-config lists no drivers: EAL would load the whole plug-in directory. The few needed are linked, so that
          # the directory can stay unread (hide_host_directories in port.cc).
          "libraries": [
            "-Wl,--no-as-needed",
            "-lrte_bus_vdev -lrte_mempool_ring -lrte_net_ring -lrte_net_af_packet",
            "<!@(pkg-config --libs libdpdk)",
          ],
        }, {
          "type": "none",
        }],
      ],
    },
  ],
}
