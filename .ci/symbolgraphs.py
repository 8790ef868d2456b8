"""What .ci/docs and .ci/api both need: the libraries of Package.swift, and the public symbols of each as the compiler writes them from an existing build."""
import glob
import json
import os
import re
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}


class Failure(Exception):
    pass


def libraries():
    """The names of the library products, each of which is one target of that name."""
    with open(os.path.join(ROOT, "Package.swift")) as manifest:
        found = re.findall(r'\.library\(name: "(\w+)", targets: \["(\w+)"\]\)', manifest.read())
    if not found or any(name != target for name, target in found):
        raise Failure("Package.swift: every library product must be one target of the same name")
    return [name for name, _ in found]


def tool(name):
    """A program of the toolchain: beside `swift` itself, since not all of them are in everybody's PATH."""
    swift = shutil.which("swift")
    beside = swift and os.path.join(os.path.dirname(os.path.realpath(swift)), name)
    found = beside if beside and os.access(beside, os.X_OK) else shutil.which(name)
    if not found:
        raise Failure(f"{name} is not in the Swift toolchain")
    return found


def extract(library, folder):
    """Writes the symbol graphs of `library` into `folder` and returns their paths. Needs `swift build` to have run."""
    build = os.path.join(ROOT, ".build/debug/")
    if not os.path.exists(os.path.join(build, "Modules", library + ".swiftmodule")):
        raise Failure(f"{library} is not built: swift build")
    command = [tool("swift-symbolgraph-extract"), "-module-name", library, "-target", TRIPLES[os.uname().machine], "-I", build + "Modules"]
    command += ["-minimum-access-level", "public", "-skip-synthesized-members", "-emit-extension-block-symbols"]
    # Not the build's own cache of C modules, which names them by the paths of another moment when a folder has moved.
    command += ["-module-cache-path", os.path.join(os.path.dirname(folder), "modules"), "-output-dir", folder]
    # C modules of dependencies that swiftmodule files name.
    maps = glob.glob(build + "*.build/module.modulemap") + glob.glob(os.path.join(ROOT, ".build/checkouts/*/Sources/*/include/module.modulemap"))
    for path in maps:
        if "/Benchmarks/" not in path:
            command += ["-Xcc", "-fmodule-map-file=" + path]
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    graphs = sorted(glob.glob(os.path.join(folder, f"{library}*.symbols.json")))
    if done.returncode != 0 or not graphs:
        raise Failure(f"the symbols of {library}: {done.stderr.strip() or done.stdout.strip() or 'none'}")
    return graphs


def load(path):
    with open(path) as file:
        return json.load(file)
