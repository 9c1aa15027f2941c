"""E44: how long TIME-WAIT lasts, and which setting does not change it."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, StateName
from lab.exercise.readings import KernelState, KernelTimer, OfSegment
from lab.tcp.state import State

MINUTE = 60


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_fin_timeout", own.timeout)
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    connection.close()
    peer.expect("FA", seq=1, ack=1 + own.n)
    lab.step("ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    (seconds,) = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "time-wait", seconds)
    lab.step("FIN")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2 + own.n)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.kernel.expect_timer(peer, "time-wait", MINUTE)


EXERCISE = Exercise(
    id="E44",
    title=Text("How long TIME-WAIT lasts", "TIME-WAIT 持续多久"),
    goal=Text(
        "Keep the timers of FIN-WAIT-2 and TIME-WAIT apart, and say which of them a setting changes.",
        "会区分 FIN-WAIT-2 和 TIME-WAIT 的定时器，并说出设置能改变哪一个。",
    ),
    minutes=10,
    section="RFC 9293 3.4.2, 3.6.1; tcp(7) tcp_fin_timeout",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "short": range(5, 30),
        "long": range(31, 55),
        "port": range(1024, 30000),
        "raised": (0,),
    },
    derive={"timeout": lambda own: own.long if own.raised else own.short},
    rounds=(
        Round(
            Text(
                "Somebody wants fewer connections in TIME-WAIT, and has set net.ipv4.tcp_fin_timeout to {timeout}."
                " You have sent {n} bytes (your SYN had x = {x}). The server's program has read them and closes; you"
                " acknowledge its FIN, then you send yours. (Timers are read from the kernel, not waited for; they are"
                " those of Linux 6.18.)",
                "有人想减少 TIME-WAIT 的连接，把 net.ipv4.tcp_fin_timeout 设为 {timeout}。"
                "你发送了 {n} 字节（你的 SYN 的序列号为 x = {x}）。服务器程序读取之后关闭连接；"
                "你确认它的 FIN，然后发送自己的 FIN。（定时器是从内核读取的，无需等待；以 Linux 6.18 为准。）",
            ),
            predict=(
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the kernel's last ACK have?",
                        "内核的最后一个 ACK 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for your FIN. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，你的 FIN 占一个。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
                Question(
                    "fin_wait_2",
                    Text(
                        "Before your FIN: how many seconds is the timer of FIN-WAIT-2?",
                        "在你的 FIN 之前：FIN-WAIT-2 的定时器是多少秒？",
                    ),
                    Count(),
                    KernelTimer("ACK"),
                    lambda own: own.timeout,
                    Text(
                        "That is what tcp_fin_timeout sets: how long Linux waits for your FIN after close(). tcp(7)",
                        "这正是 tcp_fin_timeout 设置的：close() 之后 Linux 等待你的 FIN 多久。tcp(7)",
                    ),
                    {"fin-wait-2-is-2msl": lambda _: 60, "fin-wait-2-has-no-timer": lambda _: 0},
                ),
                Question(
                    "time_wait",
                    Text("And how many seconds is the timer of TIME-WAIT?", "TIME-WAIT 的定时器是多少秒？"),
                    Count(),
                    KernelTimer("FIN"),
                    lambda _: MINUTE,
                    Text(
                        "Linux has a constant of one minute, which no setting changes.",
                        "Linux 用一分钟的常数，没有设置能改变它。",
                    ),
                    {
                        "fin-timeout-is-not-time-wait": lambda own: own.timeout,
                        "msl-of-the-rfc": lambda _: 240,
                        "only-one-msl": lambda _: 120,
                    },
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text(
                        "In which state was the kernel when its last ACK had left?",
                        "最后一个 ACK 发出后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "The kernel closed first, so it waits. RFC 9293 3.6.1",
                        "内核先关闭，所以由它等待。RFC 9293 3.6.1",
                    ),
                    {"nobody-waits": lambda _: State.CLOSED},
                ),
            ),
        ),
        Round(
            Text(
                "The setting is raised: net.ipv4.tcp_fin_timeout is {timeout} now. Everything else is the same.",
                "把设置调大：net.ipv4.tcp_fin_timeout 现在为 {timeout}。其他都一样。",
            ),
            change={"raised": 1},
            predict=(
                Question(
                    "fin_wait_2_raised",
                    Text("How many seconds is the timer of FIN-WAIT-2?", "FIN-WAIT-2 的定时器是多少秒？"),
                    Count(),
                    KernelTimer("ACK"),
                    lambda own: own.timeout,
                    Text("It follows the setting. tcp(7)", "它随设置而变。tcp(7)"),
                    {"setting-has-no-effect": lambda own: own.short, "fin-wait-2-is-2msl": lambda _: 60},
                ),
                Question(
                    "time_wait_raised",
                    Text("And how many seconds is the timer of TIME-WAIT?", "TIME-WAIT 的定时器是多少秒？"),
                    Count(),
                    KernelTimer("FIN"),
                    lambda _: MINUTE,
                    Text("It is a minute again: a constant.", "仍然是一分钟：这是常数。"),
                    {
                        "fin-timeout-is-not-time-wait": lambda own: own.timeout,
                        "fin-timeout-is-added": lambda own: MINUTE + own.long - own.short,
                        "msl-of-the-rfc": lambda _: 240,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Two states, two timers. Which of them waits for something?",
            "两个状态，两个定时器。哪一个在等待某件事发生？",
        ),
        Text(
            "tcp_fin_timeout is for connections whose other side has not closed yet.",
            "tcp_fin_timeout 针对对方还没有关闭的连接。",
        ),
        Text(
            "TIME-WAIT is a constant in the source of Linux: TCP_TIMEWAIT_LEN, one minute.",
            "TIME-WAIT 是 Linux 源码中的常数 TCP_TIMEWAIT_LEN，一分钟。",
        ),
    ),
    learned=Text(
        "TIME-WAIT lasts a minute on Linux, whatever tcp_fin_timeout says: that is the timer of FIN-WAIT-2.",
        "在 Linux 上 TIME-WAIT 持续一分钟，与 tcp_fin_timeout 无关：后者是 FIN-WAIT-2 的定时器。",
    ),
)
