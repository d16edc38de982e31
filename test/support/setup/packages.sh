# Sourced by test/run: the Debian packages that tests need.

# command:package; the command tells whether the package is needed
needed="
g++:g++ make:make python3:python3
curl:curl git:git ps:procps setsid:util-linux
ssh:openssh-client sshd:openssh-server ssh-audit:ssh-audit
dbclient:dropbear-bin plink:putty-tools autossh:autossh /usr/lib/python3/dist-packages/paramiko:python3-paramiko
/usr/lib/python3/dist-packages/asyncssh:python3-asyncssh /usr/include/libssh/libssh.h:libssh-dev pkg-config:pkg-config
apache2:apache2 haproxy:haproxy caddy:caddy lighttpd:lighttpd slowhttptest:slowhttptest
pebble:pebble sslscan:sslscan named:bind9 nsupdate:bind9-dnsutils
nginx:nginx-light wrk:wrk chromium:chromium tmux:tmux
ip:iproute2 nft:nftables /lib/systemd/systemd:systemd ss:iproute2
zsh:zsh fish:fish gnome-keyring-daemon:gnome-keyring dbus-run-session:dbus-daemon
dockerd:docker.io docker:docker.io iptables:iptables mmdebstrap:mmdebstrap
"

missing_packages() {
  for pair in $needed; do
    have "${pair%%:*}" || printf ' %s\n' "${pair##*:}"
  done | sort -u | tr -d '\n'
  [ -e /etc/ssl/certs/ca-certificates.crt ] || printf ' ca-certificates'
}

install_packages() {
  packages=$(missing_packages)
  have docker && docker compose version >/dev/null 2>&1 && compose=1 || compose=
  [ -z "$packages" ] && [ -n "$compose" ] && return
  say "apt-get update"
  apt-get update -qq >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; die "apt-get update failed"; }
  if [ -n "$packages" ]; then
    say "apt-get install$packages"
    without_services apt_install $packages || { tail -n 20 "$work/apt.log" >&2; die "apt-get install failed, see $work/apt.log"; }
    have docker || apt_install docker-cli || say "docker's client could not be installed" # in docker.io itself up to Debian 12
  fi
  docker compose version >/dev/null 2>&1 || install_compose
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >>"$work/apt.log" 2>&1
}

# Tests need the programs of nginx, openssh-server and docker.io, not their services: nothing must start now or at the next boot.
without_services() {
  policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; fi
  "$@" && result=0 || result=$?
  [ -z "$policy" ] || rm -f "$policy"
  if [ -d /run/systemd/system ]; then
    for package in $packages; do
      case $package in
        bind9) systemctl disable --quiet named.service || true ;;
        nginx-light) systemctl disable --quiet nginx.service || true ;;
        openssh-server) systemctl disable --quiet ssh.service || true ;;
        docker.io) systemctl disable --quiet docker.service docker.socket containerd.service || true ;;
      esac
    done
  fi
  return "$result"
}

# Debian 12 has no Compose 2. The package of a later suite needs nothing but libc6 (>= 2.34), so it is unpacked, with a private apt
# configuration, and only the plugin is kept. The mirror is the one that apt is configured with.
install_compose() {
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }')
  plugin=/usr/local/lib/docker/cli-plugins/docker-compose
  for suite in trixie sid; do # a stable release first: what it has does not change
    apt=$work/apt-$suite
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    chmod -R a+rX "$apt"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
    set -- -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/lists" \
      -o Dir::Cache="$apt/cache" -o Dir::Cache::Archives="$apt/cache/archives" -o Acquire::Languages=none -o APT::Sandbox::User=root
    say "docker compose from Debian $suite"
    (cd "$apt" && apt-get "$@" update && apt-get "$@" download docker-compose && dpkg -x docker-compose_*.deb unpacked) \
      >>"$work/apt.log" 2>&1 && install -D -m 755 "$apt/unpacked/usr/libexec/docker/cli-plugins/docker-compose" "$plugin"
    rm -rf "$apt"
    docker compose version >/dev/null 2>&1 && return
    rm -f "$plugin"
  done
  tail -n 20 "$work/apt.log" >&2
  say "docker compose could not be installed"
}

# Sets $missing, for the end of the run, and AIRY_TEST_WITHOUT, by which tests leave themselves out.
report_missing_packages() {
  missing=
  for pair in $needed; do
    case ${pair##*:} in docker.io | iptables | mmdebstrap) continue ;; esac # these have a message of their own
    have "${pair%%:*}" || missing="$missing ${pair%%:*}"
  done
  AIRY_TEST_WITHOUT=$missing
  export AIRY_TEST_WITHOUT
  [ -z "$missing" ] && return
  loud "Not installed here, so tests that need these are left out:$missing"
  if [ -n "$can_install" ]; then say "test/run --install installs them"; fi
}
