/**
 * A server with systemd: Debian's own, as process 1 of namespaces, on a copy of this machine's files of which nothing remains. It shares a
 * network namespace with what a test starts beside it. Needs root.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { until } from "./edge.ts";

const run = promisify(execFile);

export interface Server {
  /** Runs a script of sh, as root; rejects with what it said when it fails. */
  sh(script: string): Promise<string>;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Network namespace. */
  netns: string;
  /** Folders that it can read, by where: `{ "/opt/airy": "/home/me/airy" }`. */
  folders: Record<string, string>;
}

/** Systemd without what a machine needs beside services, and without this machine's services. */
const TARGET = `[Unit]
Description=what a test needs
DefaultDependencies=no
Wants=systemd-journald.service
AllowIsolate=yes
`;

/** Where groups of the second kind are beside those of the first. */
const HYBRID = ["systemd", "unified", "memory", "pids", "cpu", "cpuacct", "blkio", "devices", "freezer"];

const BOOT = String.raw`
set -eu
base=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$base"
mkdir "$base/up" "$base/work" "$base/root"
mount -t overlay -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" overlay "$base/root"
cd "$base/root"
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do : >"dev/$each"; mount --bind "/dev/$each" "dev/$each"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t sysfs -o ro sysfs sys
if [ "$2" = unified ]; then mount -t cgroup2 cgroup2 sys/fs/cgroup; else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
: >etc/fstab
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
rm -f etc/resolv.conf
cp "$base.resolv" etc/resolv.conf
cp "$base.target" etc/systemd/system/test.target
for each in systemd-udevd systemd-udev-trigger systemd-modules-load systemd-sysctl systemd-timesyncd systemd-networkd; do
  ln -sf /dev/null "etc/systemd/system/$each.service"
done
: >usr/local/bin/node
mount --bind "$3" usr/local/bin/node
shift 3
while [ $# -gt 0 ]; do mkdir -p ".$1"; mount --bind "$2" ".$1"; mount -o remount,bind,ro ".$1"; shift 2; done
exec env -i container=airy PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /lib/systemd/systemd --unit=test.target --show-status=false --log-target=null
`;

/** Null where that cannot be had. */
export async function bootServer({ netns, folders }: ServerOptions): Promise<Server | null> {
  const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");
  // It makes groups in every hierarchy that it finds: all of them below one of ours.
  const hierarchies = unified ? ["/sys/fs/cgroup"] : HYBRID.map((name) => `/sys/fs/cgroup/${name}`).filter((each) => existsSync(each));
  if (!existsSync("/lib/systemd/systemd") || hierarchies.length === 0) return null;
  const base = mkdtempSync(path.join(os.tmpdir(), "airy-server-"));
  const name = `airy-${randomBytes(4).toString("hex")}`;
  const cgroups = hierarchies.map((each) => path.join(each, name));
  writeFileSync(`${base}.resolv`, "nameserver 127.0.0.1\n");
  writeFileSync(`${base}.target`, TARGET);
  writeFileSync(`${base}.sh`, BOOT);
  const unshare = ["unshare", "-m", "-p", "-u", "-i", "-C", "--fork", "--kill-child", "sh", `${base}.sh`, base];
  const mounts = Object.entries(folders).flat();
  let child: ChildProcess | null = null;
  const clean = async () => {
    child?.kill("SIGKILL");
    await until("the server to end", () => cgroups.every((each) => processesIn(each).length === 0), 20_000).catch(() => {});
    for (const each of cgroups) removeGroup(each);
    for (const each of ["", ".resolv", ".target", ".sh"]) rmSync(`${base}${each}`, { recursive: true, force: true });
  };
  let pid = "";
  const sh = async (script: string): Promise<string> => {
    const inside = [
      "-t",
      pid,
      "-m",
      "-p",
      "-u",
      "-i",
      "-C",
      "-n",
      `--root=/proc/${pid}/root`,
      "--wd=/",
      "sh",
      "-euc",
      `cd /root\n${script}`,
    ];
    const { stdout, stderr } = await run("nsenter", inside, { env: { PATH: process.env.PATH, HOME: "/root" }, timeout: 120_000 });
    return stdout + stderr;
  };
  try {
    for (const each of cgroups) mkdirSync(each);
    const enter = `for each in ${cgroups.join(" ")}; do echo $$ >$each/cgroup.procs; done; exec ip netns exec ${netns} "$@"`;
    child = spawn("sh", ["-c", enter, "sh", ...unshare, unified ? "unified" : "hybrid", process.execPath, ...mounts], { stdio: "ignore" });
    const up = async () => {
      pid ||= readFileSync(`/proc/${child?.pid}/task/${child?.pid}/children`, "utf8").trim();
      return pid !== "" && /running|degraded/.test(await sh("systemctl is-system-running || true"));
    };
    await until("systemd", () => up().catch(() => false), 30_000);
    return { sh, close: clean };
  } catch {
    await clean();
    return null;
  }
}

function processesIn(cgroup: string): string[] {
  if (!existsSync(cgroup)) return [];
  const below = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const own = readFileSync(path.join(cgroup, "cgroup.procs"), "utf8").split("\n").filter(Boolean);
  return [...own, ...below.flatMap(({ name }) => processesIn(path.join(cgroup, name)))];
}

function removeGroup(cgroup: string): void {
  if (!existsSync(cgroup)) return;
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) if (entry.isDirectory()) removeGroup(path.join(cgroup, entry.name));
  rmdirSync(cgroup);
}
