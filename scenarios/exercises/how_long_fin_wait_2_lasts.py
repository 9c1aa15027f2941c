"""E43: which timer ends FIN-WAIT-2, after close() and after shutdown()."""

from lab import Connection, Lab, Listener, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Choice, Count, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, KernelTimer, OfSegment
from lab.tcp.state import State

TIMERS = ("", "retransmission", "keepalive", "time-wait", "zero-window probe")
AS_SS_HAS_THEM = (
    Text("none", "没有"),
    Text("on", "on"),
    Text("keepalive", "keepalive"),
    Text("timewait", "timewait"),
    Text("persist", "persist"),
)


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_fin_timeout", own.timeout)
    server = lab.kernel.listen(port=own.port)
    if own.short:
        peer, connection = open_connection(lab, server, own)
        connection.set_option("TCP_LINGER2", 1)
        connection.close()
        closed(lab, peer, own)
        (seconds,) = lab.kernel.fin_wait_2_timers(peer, 1)
        lab.kernel.expect_gone(peer, after=seconds)
        lab.step("FIN")
        peer.send("FA")
        peer.expect("R", seq=2 + own.n)
        lab.kernel.expect_state(peer, "CLOSED")
        return
    peer, connection = open_connection(lab, server, own)
    lab.step("close()")
    connection.close()
    closed(lab, peer, own)
    (seconds,) = lab.kernel.fin_wait_2_timers(peer)
    lab.kernel.expect_timer(peer, "time-wait", seconds)
    peer, connection = open_connection(lab, server, own)
    lab.step("shutdown()")
    connection.shutdown("write")
    closed(lab, peer, own)
    lab.kernel.expect_timer(peer, "")
    peer, connection = open_connection(lab, server, own)
    lab.step("TCP_LINGER2")
    connection.set_option("TCP_LINGER2", own.linger)
    connection.close()
    closed(lab, peer, own)
    (seconds,) = lab.kernel.fin_wait_2_timers(peer, own.linger)
    lab.kernel.expect_timer(peer, "time-wait", seconds)


def open_connection(lab: Lab, server: Listener, own: Numbers) -> tuple[Peer, Connection]:
    """A connection over which the kernel has sent some bytes."""
    lab.step("SYN")
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.send("A")
    return peer, connection


def closed(lab: Lab, peer: Peer, own: Numbers) -> None:
    """The kernel's FIN and its acknowledgment."""
    peer.expect("FA", seq=1 + own.n, ack=1)
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")


EXERCISE = Exercise(
    id="E43",
    title=Text("How long FIN-WAIT-2 lasts", "FIN-WAIT-2 持续多久"),
    goal=Text(
        "Say for which sockets FIN-WAIT-2 ends by itself, and after how long.",
        "会说出哪些套接字的 FIN-WAIT-2 会自行结束，要多久。",
    ),
    minutes=12,
    section="RFC 9293 3.6; RFC 1122 4.2.2.13; tcp(7) tcp_fin_timeout, TCP_LINGER2",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "timeout": range(20, 40),
        "linger": range(5, 20),
        "port": range(1024, 30000),
        "short": (0,),
    },
    waits=True,
    rounds=(
        Round(
            Text(
                "net.ipv4.tcp_fin_timeout is {timeout} seconds. Three connections are in FIN-WAIT-2: the kernel's FIN"
                " is acknowledged, and you do not close. On the first the server's program has called close(), on the"
                " second shutdown(SHUT_WR), and on the third setsockopt(TCP_LINGER2, {linger}) and then close()."
                " Somebody runs ss -tano. (As this kernel, Linux 6.18, does it.)",
                "net.ipv4.tcp_fin_timeout 为 {timeout} 秒。三个连接处于 FIN-WAIT-2：内核的 FIN 得到了确认，你没有关闭。"
                "在第一个连接上服务器程序调用了 close()，在第二个上调用了 shutdown(SHUT_WR)，"
                "在第三个上调用了 setsockopt(TCP_LINGER2, {linger}) 然后 close()。"
                "有人运行 ss -tano。（以这个内核 Linux 6.18 的行为为准。）",
            ),
            predict=(
                Question(
                    "after_close",
                    Text(
                        "On the first connection: how many seconds does its timer run, from its beginning on?",
                        "在第一个连接上：定时器从头到尾一共多少秒？",
                    ),
                    Count(),
                    KernelTimer("close()"),
                    lambda own: own.timeout,
                    Text(
                        "No program has the socket any more, so Linux limits the wait by tcp_fin_timeout. tcp(7)",
                        "没有程序再持有这个套接字，所以 Linux 用 tcp_fin_timeout 限制等待。tcp(7)",
                    ),
                    {
                        "fin-wait-2-is-2msl": lambda _: 60,
                        "fin-wait-2-has-no-timer": lambda _: 0,
                        "linger-of-another-socket": lambda own: own.linger,
                    },
                ),
                Question(
                    "name",
                    Text("How does ss call this timer?", "ss 怎样称呼这个定时器？"),
                    Choice(AS_SS_HAS_THEM),
                    KernelTimer("close()", among=TIMERS),
                    lambda _: 3,
                    Text(
                        "Linux keeps a small entry of the same kind as for TIME-WAIT, in state FIN-WAIT-2.",
                        "Linux 保留一个小条目，与 TIME-WAIT 的种类相同，状态是 FIN-WAIT-2。",
                    ),
                    {"fin-wait-2-has-no-timer": lambda _: 0, "nothing-to-retransmit": lambda _: 1},
                ),
                Question(
                    "after_shutdown",
                    Text("And which timer does ss show on the second?", "第二个连接上，ss 显示哪个定时器？"),
                    Choice(AS_SS_HAS_THEM),
                    KernelTimer("shutdown()", among=TIMERS),
                    lambda _: 0,
                    Text(
                        "A program still has the socket and may read: it decides how long. RFC 9293 3.6",
                        "程序仍持有套接字，可以读取：由它决定多久。RFC 9293 3.6",
                    ),
                    {"shutdown-is-limited-too": lambda _: 3, "nothing-to-retransmit": lambda _: 1},
                ),
                Question(
                    "after_linger2",
                    Text("On the third: how many seconds is its timer?", "第三个连接上：定时器是多少秒？"),
                    Count(),
                    KernelTimer("TCP_LINGER2"),
                    lambda own: own.linger,
                    Text(
                        "TCP_LINGER2 replaces tcp_fin_timeout for one socket. tcp(7)",
                        "TCP_LINGER2 对一个套接字取代 tcp_fin_timeout。tcp(7)",
                    ),
                    {
                        "option-has-no-effect": lambda own: own.timeout,
                        "linger-is-added": lambda own: own.timeout + own.linger,
                        "fin-wait-2-is-2msl": lambda _: 60,
                    },
                ),
            ),
            investigate=(
                Question(
                    "seq",
                    Text(
                        "Which sequence number did the kernel's FIN have on the first connection?",
                        "第一个连接上，内核的 FIN 的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="close()"),
                    lambda own: At("y", 1 + own.n),
                    Text("y, one for the SYN, {n} bytes. RFC 9293 3.4", "y，SYN 占一个，{n} 个字节。RFC 9293 3.4"),
                    {"data-not-counted": lambda _: At("y", 1)},
                ),
            ),
        ),
        Round(
            Text(
                "TCP_LINGER2 is 1, and the program calls close(). FIN-WAIT-2 ends after a second. Only then you send"
                " your FIN.",
                "TCP_LINGER2 为 1，程序调用 close()。一秒之后 FIN-WAIT-2 结束。这时你才发送自己的 FIN。",
            ),
            change={"short": 1},
            predict=(
                Question(
                    "late_fin",
                    Text(
                        "Which control bits does the kernel's answer have?",
                        "内核的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="FIN"),
                    lambda _: "R",
                    Text(
                        "The entry is gone, and your FIN belongs to no connection. RFC 9293 3.10.7.1",
                        "条目已经消失，你的 FIN 不属于任何连接。RFC 9293 3.10.7.1",
                    ),
                    {"waits-for-ever": lambda _: "A", "reset-is-silence": lambda _: ""},
                ),
                Question(
                    "late_seq",
                    Text(
                        "Your FIN acknowledges the kernel's. Which sequence number does the answer have?",
                        "你的 FIN 确认了内核的 FIN。应答的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="FIN"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "A reset takes its number from the acknowledgment number of what it answers: y+2+{n}."
                        " RFC 9293 3.10.7.1",
                        "复位的序列号取自它所应答的报文段的确认号：y+2+{n}。RFC 9293 3.10.7.1",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                    },
                ),
                Question(
                    "late_state",
                    Text(
                        "In which state is the kernel's side? (CLOSED if it is gone.)",
                        "内核这一端处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("FIN"),
                    lambda _: State.CLOSED,
                    Text(
                        "What is gone does not come back: no TIME-WAIT either. RFC 9293 3.10.7.1",
                        "消失的条目不会回来，也没有 TIME-WAIT。RFC 9293 3.10.7.1",
                    ),
                    {"waits-for-ever": lambda _: State.TIME_WAIT, "fin-again": lambda _: State.FIN_WAIT_2},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "RFC 9293 has no timer for FIN-WAIT-2. For which sockets would that be a problem?",
            "RFC 9293 没有为 FIN-WAIT-2 规定定时器。对哪些套接字这会成为问题？",
        ),
        Text(
            "After close() nobody can end the socket but the kernel. After shutdown() the program can.",
            "close() 之后只有内核能结束套接字。shutdown() 之后程序可以。",
        ),
        Text(
            "tcp_fin_timeout and TCP_LINGER2 are for sockets without a program.",
            "tcp_fin_timeout 和 TCP_LINGER2 针对没有程序持有的套接字。",
        ),
    ),
    learned=Text(
        "After close() Linux ends FIN-WAIT-2 by tcp_fin_timeout; after shutdown() nothing does. It is not the"
        " 2MSL timer.",
        "close() 之后 Linux 按 tcp_fin_timeout 结束 FIN-WAIT-2，shutdown() 之后则不会。它不是 2MSL 定时器。",
    ),
)
