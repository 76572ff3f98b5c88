#!/usr/bin/env python3
"""The Debian packages: packed twice from the build tree, looked through, installed
into a root of their own, run there under their units' limits, removed and purged.

packages.py SOURCE BUILD. Needs root and overlayfs (else exit status 77); the
machine's own files are only read. No systemd runs here: confine.py applies what
the units ask of the kernel.
"""
import functools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

EPOCH = "1700000000"
PACKAGES = ("federity", "federity-agent", "federity-server")
USERS = ("federity", "federity-agent")


def run(*command, **options):
    options.setdefault("check", True)
    return subprocess.run([str(c) for c in command], text=True, capture_output=True, **options)


def expect(good, message):
    if not good:
        sys.exit(f"packages.py: {message}")


# --- packing ----------------------------------------------------------------
def pack(build, folder):
    """Starts cpack in a folder of its own; the debs lie in folder/out."""
    return subprocess.Popen(
        ["cpack", "-G", "DEB", "-B", folder, "-D", f"CPACK_OUTPUT_FILE_PREFIX={folder}/out"],
        cwd=build, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, stdout=subprocess.DEVNULL)


def pack_twice(build, work):
    jobs = [pack(build, work / name) for name in ("first", "second")]
    expect(all([job.wait() == 0 for job in jobs]), "cpack failed")
    debs = {}
    for path in sorted((work / "first/out").glob("*.deb")):
        other = work / "second/out" / path.name
        expect(path.read_bytes() == other.read_bytes(), f"{path.name} differs when packed again")
        debs[path.name.split("_")[0]] = path
    expect(sorted(debs) == sorted(PACKAGES), f"packages are {sorted(debs)}")
    return debs


# --- what is in them -----------------------------------------------------------
def field(deb, name):
    return run("dpkg-deb", "-f", deb, name).stdout.strip()


def bad_mode(mode):
    return bool(mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH | stat.S_IWGRP))


def check_files(name, deb):
    data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=data.stdout, mode="r|") as archive:
        for member in archive:
            expect(not bad_mode(member.mode), f"{name}: {member.name} has mode {member.mode:o}")
            expect(member.uid == 0 and member.gid == 0, f"{name}: {member.name} is not root's")
            expect(member.isdir() or member.isfile(), f"{name}: {member.name} is a link or device")
    expect(data.wait() == 0, f"{deb} can't be read")


def needed_libraries(program):
    dynamic = run("readelf", "-d", program).stdout
    expect("RUNPATH" not in dynamic and "RPATH" not in dynamic, f"{program} has a run path")
    expect(".debug_info" not in run("readelf", "-S", program).stdout, f"{program} is not stripped")
    return re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic)


@functools.cache
def libraries():
    return run("/sbin/ldconfig", "-p").stdout


@functools.cache
def owner_of(library):
    """The package, and what it provides (libspdlog1.10 is libspdlog1.10-fmt9)."""
    # ldconfig names /lib/…, and dpkg either that or /usr/lib/….
    path = re.search(rf"^\s*{re.escape(library)} .*x86-64.*=> (\S+)$",
                     libraries(), re.M)
    expect(path, f"{library} is not on this machine")
    found = run("dpkg", "-S", path[1], "/usr" + path[1], check=False).stdout
    expect(found, f"no package owns {path[1]}")
    package = found.split(":")[0]
    provided = run("dpkg-query", "-W", "-f", "${Provides}", package).stdout
    return {package, *re.findall(r"[a-z][a-z0-9+.-]+", provided)}


def missing_owners(owners, depends):
    """Libraries whose package is not among the dependencies."""
    names = {re.split(r"[ (|]", part.strip())[0] for part in depends.split(",")}
    return sorted(library for library, owner in owners.items() if not owner & names)


def check_dependencies(name, deb, folder):
    run("dpkg-deb", "-x", deb, folder)
    programs = [p for p in folder.rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x7fELF"]
    expect(programs, f"{name} holds no program")
    owners = {library: owner_of(library) for p in programs for library in needed_libraries(p)}
    depends = field(deb, "Depends")
    expect(not missing_owners(owners, depends),
           f"{name} links {missing_owners(owners, depends)}, which it does not depend on")
    # The check itself must be able to fail.
    less = ", ".join(d for d in depends.split(", ") if not d.startswith("libgrpc++"))
    expect(missing_owners(owners, less), "a missing dependency is not noticed")


# --- a root of its own -------------------------------------------------------------
def mount(*arguments):
    run("mount", *arguments)


def make_root(root):
    """The machine's /usr below a writable layer, little else."""
    mount("-t", "tmpfs", "none", root)
    for name in ("usr", "layer", "work", "proc", "sys", "dev/shm", "tmp", "run", "old",
                 "etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    try:
        mount("-t", "overlay", "overlay", "-o",
              f"lowerdir=/usr,upperdir={root}/layer,workdir={root}/work", root / "usr")
    except subprocess.CalledProcessError as error:
        print(f"no overlayfs here: {error.stderr}")
        sys.exit(77)
    mount("-t", "proc", "proc", root / "proc")
    mount("--bind", "/sys", root / "sys")
    mount("-t", "tmpfs", "-o", "mode=1777", "none", root / "dev/shm")
    for name in ("null", "zero", "full", "random", "urandom"):
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", root / "dev" / name)
    for name in ("adduser.conf", "deluser.conf", "login.defs", "nsswitch.conf", "ld.so.cache"):
        if Path("/etc", name).exists():
            shutil.copy2(f"/etc/{name}", root / "etc" / name)
    for name in ("alternatives", "pam.d", "security"):  # adduser calls chfn, which asks PAM
        shutil.copytree(f"/etc/{name}", root / "etc" / name, symlinks=True)
    for name in ("passwd", "group", "shadow", "gshadow"):
        lines = Path("/etc", name).read_text().splitlines(keepends=True)
        (root / "etc" / name).write_text("".join(l for l in lines if l.split(":")[0] not in USERS))
    # What the machine has installed is what dependencies are judged by.
    shutil.copy2("/var/lib/dpkg/status", root / "var/lib/dpkg/status")
    installed = (root / "var/lib/dpkg/status").read_text().split("\n\n")
    (root / "var/lib/dpkg/status").write_text(
        "\n\n".join(p for p in installed if p.split("\n")[0][len("Package: "):] not in PACKAGES))


def dpkg(root, *arguments):
    done = run("dpkg", f"--root={root}", "--force-unsafe-io", *arguments, check=False,
               env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"})
    said = "\n".join(line for line in (done.stdout + done.stderr).splitlines()
                     if "files list file" not in line)  # of the machine's own packages
    expect(done.returncode == 0, f"dpkg {arguments[0]} failed:\n{said}")
    return said


def inventory(root):
    """Every path of the root; of /usr what the machine's does not have."""
    found = set()
    for top in ("etc", "var", "layer"):
        for path in (root / top).rglob("*"):
            name = str(path.relative_to(root))
            own = top == "layer" and os.path.lexists("/usr/" + name.removeprefix("layer/"))
            if not own and not name.startswith(("var/lib/dpkg/", "var/log/")):
                found.add(name)
    return found


def inside(root, *command, state=(), proc="", **options):
    """Runs in the root. With state: all but these folders and /tmp is read-only."""
    script = ["set -e", "mount --make-rprivate /", f"cd {root}"]
    if state:
        script += [f"mount --bind .{folder} .{folder}" for folder in (*state, "/tmp")]
    if proc:
        script.append(f"mount -t proc -o {proc} proc proc")
    script += ["pivot_root . old", "umount -l /old"]
    if state:
        script += ["mount -o remount,ro,bind /", "mount -o remount,ro,bind /usr"]
    script.append('cd /; exec "$@"')
    return ["unshare", "--mount", "sh", "-c", "; ".join(script), "-", *map(str, command)]


def under_unit(root, name, *command, state, proc=""):
    """Popen of a command as the service would run it."""
    shutil.copy2(Path(__file__).with_name("confine.py"), root / "tmp/confine.py")
    return subprocess.Popen(
        inside(root, "/usr/bin/python3", "/tmp/confine.py",
               f"/usr/lib/systemd/system/federity-{name}.service", *command,
               state=state, proc=proc),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8",
             "HOME": "/tmp", "FEDERITY_HOME": "/tmp/home"})


def service_command(root, name):
    unit = (root / f"usr/lib/systemd/system/federity-{name}.service").read_text()
    return re.search(r"^ExecStart=(.*)$", unit, re.M)[1].split()


def stop(process, name):
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)
    expect(process.returncode == 0, f"{name} did not stop as it should: {said}")


def check_agent(root):
    version = run(*inside(root, "/usr/bin/federity-agent", "--version"))
    expect(re.fullmatch(r"federity-agent \d+\.\d+\.\d+\n", version.stdout), version.stdout)
    state = ["/var/lib/federity-agent"]
    daemon = under_unit(root, "agent", *service_command(root, "agent"), state=state)
    line = daemon.stderr.readline()
    expect("running" in line, f"federity-agent did not start under its unit: {line}")
    # As root, by its socket.
    status = json.loads(run(*inside(root, "/usr/bin/federity-agent", "status", "--json")).stdout)
    expect(status["running"], f"status: {status}")
    stop(daemon, "federity-agent")
    doctor = under_unit(root, "agent", "/usr/bin/federity", "doctor", "--json", state=state)
    said, errors = doctor.communicate()
    expect(doctor.returncode == 0, f"doctor failed under the unit: {said}{errors}")
    layers = [c["detail"] for c in json.loads(said)["checks"] if c["check"] == "sandbox"]
    print("\n".join(layers))
    # None of the trainer's layers may be lost by the unit.
    outside = json.loads(run(root / "usr/bin/federity", "doctor", "--json", env={
        "PATH": "/usr/bin:/bin", "FEDERITY_HOME": str(root / "tmp/outside")}).stdout)
    active = [c["detail"].split(":")[0] for c in outside["checks"]
              if c["check"] == "sandbox" and "not active" not in c["detail"]]
    lost = [a for a in active if any(l.startswith(a) and "not active" in l for l in layers)]
    expect(active and not lost, f"the unit takes these layers from the trainer: {lost or layers}")


def check_server(root):
    """From an empty folder to a served port and a drain, under the unit."""
    config = root / "etc/federity/server.toml"
    text = config.read_text()
    config.write_text(text.replace('listen = "[::]:8443"', 'listen = "127.0.0.1:0"'))
    server = under_unit(root, "server", *service_command(root, "server"),
                        state=["/var/lib/federity", "/var/lib/federity-key"],
                        proc="subset=pid,hidepid=invisible")
    line = server.stdout.readline()
    if not line.startswith("administrator link"):
        sys.exit(f"packages.py: federity-server did not start under its unit: "
                 f"{line}{server.communicate()[1]}")
    expect((root / "var/lib/federity-key/key").stat().st_mode & 0o777 == 0o600, "mode of the key")
    stop(server, "federity-server")
    config.write_text(text)


def check_units(root):
    if not shutil.which("systemd-analyze"):
        sys.exit("packages.py: there is no systemd-analyze; deploy/setup.sh installs it")
    for name in ("server", "agent"):
        unit = root / f"usr/lib/systemd/system/federity-{name}.service"
        text = re.sub(r"/usr/bin/", f"{root}/usr/bin/", unit.read_text())
        copy = root / "run" / unit.name
        copy.write_text(text)
        said = run("systemd-analyze", "verify", copy, check=False)
        expect(said.returncode == 0 and unit.name not in said.stderr, f"{unit.name}: {said.stderr}")
        level = run("systemd-analyze", "security", "--offline=yes", "--threshold=25", copy,
                    check=False)
        print(level.stdout.strip().splitlines()[-1])
        expect(level.returncode == 0, f"{unit.name} is exposed more than 2.5")
        copy.unlink()


# --- containers ----------------------------------------------------------------------
def check_dockerfile(path, debs):
    """What can be told without an engine: what it copies is packed, whom it runs as
    is made by a package, and that is not root."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] not in "# "]
    user = [rest for word, rest in lines if word == "USER"]
    expect(user and user[-1] in USERS, f"{path.name} runs as {user}")
    copied = [source for word, rest in lines if word == "COPY" for source in rest.split()[:-1]]
    expect(copied, f"{path.name} copies nothing")
    for source in copied:
        expect(any(deb.match(source.removeprefix("build/packages/")) for deb in debs.values()),
               f"{path.name}: nothing is {source}")
    for word in ("HEALTHCHECK", "VOLUME", "ENTRYPOINT"):
        expect(any(word == line[0] for line in lines), f"{path.name} has no {word}")


def check_residue(root, before, allowed, when):
    left = {p for p in inventory(root) - before
            if not any(p == a or p.startswith(a + "/") for a in allowed)}
    expect(not left, f"left after {when}: {sorted(left)}")
    expect(before <= inventory(root), f"gone after {when}: {sorted(before - inventory(root))}")


def main(source, build):
    work = Path(tempfile.mkdtemp(dir=build, prefix="packages-"))
    try:
        debs = pack_twice(build, work)
        for name, deb in debs.items():
            check_files(name, deb)
            check_dependencies(name, deb, work / name)
        expect(bad_mode(0o4755) and bad_mode(0o666) and not bad_mode(0o755), "modes")
        for name in ("server", "agent"):
            check_dockerfile(source / f"deploy/docker/{name}.Dockerfile", debs)
        root = work / "root"
        root.mkdir()
        root.chmod(0o755)
        make_root(root)
        before = inventory(root)
        users = (root / "etc/passwd").read_text()
        print(dpkg(root, "-i", *debs.values()))
        check_units(root)
        check_agent(root)
        check_server(root)
        passwd_files = tuple(f"etc/{n}" for n in ("passwd-", "group-", "shadow-", "gshadow-",
                                                  "subuid", "subgid", ".pwd.lock"))
        dpkg(root, "-r", *reversed(PACKAGES))
        check_residue(root, before, passwd_files + (
            "etc/federity", "var/lib/federity", "var/lib/federity-key",
            "var/lib/federity-agent"), "remove")
        expect(not os.path.lexists(root / "usr/bin/federity-agent"), "remove left a program")
        dpkg(root, "-i", *debs.values())  # again, over what remove left
        said = dpkg(root, "-P", *reversed(PACKAGES))
        expect("/var/lib/federity stays" in said and "deleting keys" in said, said)
        check_residue(root, before, passwd_files + (
            "var/lib/federity", "var/lib/federity-key"), "purge")
        added = set((root / "etc/passwd").read_text().splitlines()) - set(users.splitlines())
        expect(sorted(line.split(":")[0] for line in added) == sorted(USERS), f"users: {added}")
        expect(all(line.endswith(":/usr/sbin/nologin") for line in added), f"shells: {added}")
    finally:
        # The mounts end with this mount namespace.
        run("umount", "-R", work / "root", check=False)
        if not os.path.ismount(work / "root"):  # never into the machine's own folders
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root, for a root of its own")
        sys.exit(77)
    if "FEDERITY_PACKAGES_TEST" not in os.environ:
        os.environ["FEDERITY_PACKAGES_TEST"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
