# shellcheck shell=bash
# Sourced by the other scripts: prepares .venv in the checkout and returns at once when that is done.
#
# A set-up counts as done only by its stamp, a copy of the pins below two lines that say where the checkout is and
# which Python the environment was made with. The stamp is written last. Whatever differs (a changed pin, a moved checkout,
# a replaced Python, a set-up that was interrupted) is removed and built anew.
set -euo pipefail

root=${BASH_SOURCE[0]%/scripts/setup.sh}
venv=$root/.venv
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE # the last would have each start compile everything anew

say() { # say ENGLISH [CHINESE]
  local language=${LC_ALL:-${LC_MESSAGES:-${LANG-}}}
  if [[ $language == zh* && -n ${2-} ]]; then printf '准备：%s\n' "$2"; else printf 'set-up: %s\n' "$1"; fi >&2
}

cannot() { # the lab could not run: exit status 3, here as in the lab itself
  say "$@"
  exit 3
}

set_up() { # set_up PINS...: each a requirements file of the checkout
  are_installed "$@" || build "$@"
  if ((EUID == 0)); then # what root writes beside the sources, their owner could not delete
    export PYTHONPYCACHEPREFIX=$venv/pycache RUFF_CACHE_DIR=$venv/ruff MYPY_CACHE_DIR=$venv/mypy
    export HYPOTHESIS_STORAGE_DIRECTORY=$venv/hypothesis COVERAGE_FILE=$venv/coverage
    export PYTEST_ADDOPTS="${PYTEST_ADDOPTS-} -o 'cache_dir=$venv/pytest'"
  fi
}

are_installed() { # no process is started here: this is all that a later call costs
  local pins checkout python installed wanted
  for pins; do
    [[ -f $venv/$pins ]] || return 1
    { IFS= read -r checkout; IFS= read -r python; IFS= read -r -d '' installed; } <"$venv/$pins" || true
    IFS= read -r -d '' wanted <"$root/$pins" || true
    [[ $checkout == "$root" && $venv/bin/python -ef $python && $installed == "$wanted" ]] || return 1
  done
}

build() {
  local lock pins site
  trap 'exit 3' EXIT # whatever fails from here on
  need_python
  [[ -w $root && (! -e $venv || -w $venv) ]] || cannot "no permission to write $venv; type: sudo $0" "没有写入 $venv 的权限；请输入：sudo $0"
  exec {lock}<"$root"
  flock --nonblock "$lock" || {
    say "waiting for the set-up that another call has begun" "正在等待另一次调用已经开始的准备"
    flock "$lock"
  }
  if ! are_installed "$@"; then
    say "preparing $venv with the pinned packages of $* (once, about a minute)" \
      "正在 $venv 中安装 $* 所固定的软件包（只此一次，约一分钟）"
    # Pins are added to a finished environment that never saw them, not to one where they changed or were interrupted.
    if ! are_installed requirements.txt || [[ -e $venv/requirements-dev.txt ]]; then
      { rm -f "$venv"/requirements*.txt && rm -rf "$venv"; } ||
        cannot "no permission to remove $venv; type: sudo $0" "没有删除 $venv 的权限；请输入：sudo $0"
      python3 -m venv "$venv" ||
        cannot "python3 -m venv $venv failed (its message is above)" "python3 -m venv $venv 失败（原因见上）"
      site=("$venv"/lib/python3*/site-packages)
      printf '%s\n' "$root" >"${site[0]}/checkout.pth"
    fi
    for pins; do are_installed "$pins" || install "$pins"; done
  fi
  exec {lock}<&-
  trap - EXIT
}

install() { # install PINS
  : >"$venv/$1"
  "$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: --requirement "$root/$1" ||
    cannot "pip could not install $1 (its message is above); check the network and call again" \
      "pip 无法安装 $1（原因见上）；请检查网络后重试"
  { printf '%s\n%s\n' "$root" "$(readlink -f "$venv/bin/python")" && cat "$root/$1"; } >"$venv/stamp"
  mv "$venv/stamp" "$venv/$1"
}

need_python() {
  local package log
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    cannot "python3 is missing or older than 3.11; on Debian 12 and Ubuntu 24.04 type: sudo apt-get install python3" \
      "没有 python3，或其版本低于 3.11；在 Debian 12 和 Ubuntu 24.04 上请输入：sudo apt-get install python3"
  has_venv && return
  package=$(python3 -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  type apt-get >/dev/null 2>&1 ||
    cannot "this python3 lacks ensurepip and there is no apt-get; install what this system calls $package" \
      "python3 缺少 ensurepip，且没有 apt-get；请安装本系统中相当于 $package 的软件包"
  ((EUID == 0)) || cannot "this python3 lacks ensurepip; type: sudo apt-get install $package, or call this with sudo" \
    "python3 缺少 ensurepip；请输入：sudo apt-get install $package，或用 sudo 调用本命令"
  say "installing the system package $package, which python3 needs for virtual environments" \
    "正在安装系统软件包 $package，python3 建立虚拟环境需要它"
  log=$(add_package "$package") ||
    cannot "apt-get could not install $package; it says: $log" "apt-get 无法安装 $package，原因是：$log"
  has_venv || cannot "this python3 still lacks ensurepip; is it the system's? $(type -p python3)" \
    "python3 仍然缺少 ensurepip；它是系统自带的吗？$(type -p python3)"
}

has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

need_program() { # need_program PROGRAM PACKAGE WHAT-FOR: a tool of the tests, which say themselves what they miss
  local log
  ((EUID == 0)) && ! type -P "$1" >/dev/null && type -P apt-get >/dev/null || return 0
  say "installing the system package $2, $3"
  log=$(add_package "$2") || say "apt-get could not install $2; it says: $log"
}

add_package() { { apt_get install "$1" || { apt_get update && apt_get install "$1"; }; } 2>&1; }

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}
