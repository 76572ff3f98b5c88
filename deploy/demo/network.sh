# Sourced by demo.sh: one network namespace for the coordinator and one for each
# hospital, joined by a cable of its own. A hospital reaches the coordinator's
# address and nothing else: no other hospital, no internet. Needs root.

NETWORK_PREFIX=fed$$            # of namespaces and cables, so that runs don't meet
COORDINATOR_ADDRESS=10.77.0.1

network_up() { # number of hospitals
  local i
  ip netns add "$NETWORK_PREFIX-c"
  ip -n "$NETWORK_PREFIX-c" link set lo up
  ip -n "$NETWORK_PREFIX-c" address add "$COORDINATOR_ADDRESS/32" dev lo
  for i in $(seq 1 "$1"); do
    ip netns add "$NETWORK_PREFIX-$i"
    ip -n "$NETWORK_PREFIX-$i" link set lo up
    ip link add "f$$c$i" netns "$NETWORK_PREFIX-c" type veth peer name uplink netns "$NETWORK_PREFIX-$i"
    ip -n "$NETWORK_PREFIX-c" address add "10.77.$i.1/30" dev "f$$c$i"
    ip -n "$NETWORK_PREFIX-c" link set "f$$c$i" up
    ip -n "$NETWORK_PREFIX-$i" address add "10.77.$i.2/30" dev uplink
    ip -n "$NETWORK_PREFIX-$i" link set uplink up
    ip -n "$NETWORK_PREFIX-$i" route add "$COORDINATOR_ADDRESS/32" via "10.77.$i.1"
  done
}

network_down() { # number of hospitals; errors of what is not there are ignored
  local i
  for i in c $(seq 1 "$1"); do ip netns delete "$NETWORK_PREFIX-$i" 2>/dev/null || true; done
}

# Within a background subshell, exec=exec makes the subshell the program, so that
# its pid is the one to end.
exec=""
in_coordinator() { $exec ip netns exec "$NETWORK_PREFIX-c" "$@"; }
in_hospital() { local i=$1; shift; $exec ip netns exec "$NETWORK_PREFIX-$i" "$@"; }
