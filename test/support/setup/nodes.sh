# Sourced by test/run: later versions of Node beside the one that runs the tests, which may be past its end of life while users have these.

later_nodes="22 24"

# Sets AIRY_TEST_NODES, a list of programs, and $nodes_missing. The npm package `node` brings the program for the system it is installed on.
provide_nodes() {
  AIRY_TEST_NODES=
  nodes_missing=
  export AIRY_TEST_NODES
  for version in $later_nodes; do
    case $(node --version) in v"$version".*) continue ;; esac
    folder=$work/node-$version
    program=$folder/node_modules/node/bin/node
    if ! "$program" --version >/dev/null 2>&1; then
      say "Node $version from npm"
      # Its install script puts the program in place, where npm lets it.
      npm_config_ignore_scripts=false npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --fetch-retries=1 \
        "node@$version" >"$work/node-$version.log" 2>&1 || tail -n 5 "$work/node-$version.log" >&2
    fi
    if "$program" --version >/dev/null 2>&1; then AIRY_TEST_NODES="$AIRY_TEST_NODES $program"; else nodes_missing="$nodes_missing $version"; fi
  done
  [ -z "$nodes_missing" ] || loud "The journey on other versions of Node is left out, npm does not give them:$nodes_missing"
}
