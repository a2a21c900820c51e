# shellcheck shell=bash
# Sourced by the other scripts of this folder: makes sure that what they need besides Rust is installed.

# A Debian package, and the command or file that shows that it is there.
packages=(
  gcc:gcc
  libc6-dev:/usr/include/stdlib.h
  sqlite3:sqlite3
  nbdkit:nbdkit
  libnbd-bin:nbdcopy
  qemu-utils:qemu-img
  strace:strace
  faketime:faketime
  util-linux:unshare
  e2fsprogs:mkfs.ext4
  procps:ps
  tmux:tmux
)

# What only the tests need: the vCenter simulator is a Go program, and it is held against a client of VMware's; and what
# may stand between two appliances.
test_packages=(
  openssl:openssl
  golang-go:go
  golang-github-vmware-govmomi-dev:/usr/share/gocode/src/github.com/vmware/govmomi/simulator/simulator.go
  python3-pyvmomi:/usr/lib/python3/dist-packages/pyVmomi/__init__.py
  squid:/usr/sbin/squid
  haproxy:/usr/sbin/haproxy
  microsocks:microsocks
  stunnel4:stunnel4
  openssh-server:/usr/sbin/sshd
  openssh-client:ssh
  nftables:/usr/sbin/nft
  iproute2:/usr/sbin/ip
  curl:curl
  pv:pv
  rsync:rsync
  rclone:rclone
  sslscan:sslscan
  prometheus:promtool
  systemd:systemd-socket-activate
)

# Prints a line before each thing that is done.
say() {
  printf '== %s\n' "$*"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Runs a command as root; fails with what to do where that cannot be.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "this needs root, and sudo is not installed: run as root: $*"
  fi
}

# Names the packages whose command or file is missing.
missing_packages() {
  local entry proof
  for entry in "${packages[@]}"; do
    proof=${entry#*:}
    [[ $proof == /* && -e $proof ]] || command -v "$proof" >/dev/null || printf '%s\n' "${entry%%:*}"
  done
}

# Installs what is missing, and checks that cargo is there.
need_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} > 0)); then
    command -v apt-get >/dev/null ||
      fail "missing: ${missing[*]} (Debian's names). There is no apt-get here: install them your system's way."
    say "installing ${missing[*]}"
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  fi
  command -v cargo >/dev/null || fail "cargo is missing: install Rust, https://rustup.rs"
}
