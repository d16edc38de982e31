# Sourced by test/run: a docker engine with Compose and the base images, or the reason why not in $docker_missing.

dockerd_pid=

provide_docker() {
  AIRY_TEST_DOCKER=0
  docker_missing=
  export AIRY_TEST_DOCKER
  if ! have docker; then
    docker_missing="docker is not installed"
  elif ! docker compose version >/dev/null 2>&1; then
    docker_missing="docker compose is not installed"
  elif ! docker info >/dev/null 2>&1 && ! start_docker; then
    docker_missing=${docker_missing:-"no docker engine answers"}
  elif provide_image AIRY_NODE_IMAGE node && provide_image AIRY_POSTGRES_IMAGE postgres; then
    AIRY_TEST_DOCKER=1
    return
  fi
  loud "Tests of the docker engine are left out: $docker_missing"
}

start_docker() {
  [ -n "$install" ] && have dockerd || return 1
  say "no docker engine answers; starting one for this run"
  # Its own file for the process id: a stale one of an engine that was killed would be in the way.
  setsid dockerd --pidfile "$work/dockerd.pid" </dev/null >"$work/dockerd.log" 2>&1 &
  dockerd_pid=$!
  tries=0
  until docker info >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ] || ! kill -0 "$dockerd_pid" 2>/dev/null; then
      tail -n 20 "$work/dockerd.log" >&2
      docker_missing="dockerd does not start, see $work/dockerd.log"
      return 1
    fi
    sleep 0.5
  done
}

stop_docker() {
  [ -n "$dockerd_pid" ] || return 0
  say "stopping the docker engine"
  kill "$dockerd_pid" 2>/dev/null || true
  wait "$dockerd_pid" 2>/dev/null || true
  dockerd_pid=
}

# $1: the variable that names the image, $2: the folder of its stand-in. The official image where it is there or can be pulled.
provide_image() {
  eval "image=\${$1:-}"
  [ -n "$image" ] || image=$(sed -n "s/^$1=//p" compose/basic/images.env)
  docker image inspect "$image" >/dev/null 2>&1 && return
  timeout 300 docker pull -q "$image" >"$work/pull.log" 2>&1 && return
  say "$image cannot be pulled: $(tail -n 1 "$work/pull.log")"
  if ! have mmdebstrap || [ -z "$can_install" ]; then
    docker_missing="$image cannot be pulled, and a stand-in needs root and mmdebstrap"
    return 1
  fi
  stand_in=$(sh test/support/images/build.sh "$2" 2>"$work/image-$2.log") || {
    tail -n 20 "$work/image-$2.log" >&2
    docker_missing="the stand-in for $image could not be made, see $work/image-$2.log"
    return 1
  }
  loud "A stand-in from Debian packages, $stand_in, is used in place of the official image $image"
  export "$1=$stand_in"
}
