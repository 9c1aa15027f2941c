"""E36: what answers data that comes after the kernel's FIN."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    if own.closes:
        connection.close()
    else:
        connection.shutdown("write")
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    lab.kernel.expect_state(peer, "FIN-WAIT-2")
    lab.step("DATA")
    peer.send("PA", payload=b"." * own.n)
    if own.closes:
        peer.expect("R", seq=2)
        lab.kernel.expect_state(peer, "CLOSED")
    else:
        peer.expect("A", seq=2, ack=1 + own.n)
        connection.expect_data(b"." * own.n)
        lab.kernel.expect_state(peer, "FIN-WAIT-2")


EXERCISE = Exercise(
    id="E36",
    title=Text("close() or shutdown()", "close() 还是 shutdown()"),
    goal=Text(
        "Choose between close() and shutdown(), knowing what happens to data that is still under way.",
        "了解仍在途中的数据会怎样，从而在 close() 和 shutdown() 之间做出选择。",
    ),
    minutes=12,
    section="RFC 9293 3.6, 3.6.1",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "closes": (0,),
    },
    rounds=(
        Round(
            Text(
                "The server's program calls shutdown(SHUT_WR): the kernel sends FIN, you acknowledge it. Your SYN had"
                " x = {x}. Now you send {n} bytes.",
                "服务器程序调用 shutdown(SHUT_WR)：内核发送 FIN，你确认了它。你的 SYN 的序列号为 x = {x}。"
                "现在你发送 {n} 字节。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to your data have?",
                        "内核对你的数据的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="DATA"),
                    lambda _: "A",
                    Text(
                        "shutdown() ends one direction only. The program still reads, so your data is acknowledged."
                        " RFC 9293 3.6",
                        "shutdown() 只结束一个方向。程序仍然读取，所以你的数据得到确认。RFC 9293 3.6",
                    ),
                    {
                        "half-close-still-receives": lambda _: "RA",
                        "nothing-after-fin": lambda _: "",
                        "fin-again": lambda _: "FA",
                    },
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes. The kernel's FIN counts in the other direction. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节。内核的 FIN 属于另一个方向。RFC 9293 3.4",
                    ),
                    {
                        "data-not-counted": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "other-direction-counted": lambda own: At("x", 2 + own.n),
                    },
                ),
                Question(
                    "state",
                    Text("In which state is the kernel then?", "此时内核处于什么状态？"),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.FIN_WAIT_2,
                    Text(
                        "Its FIN is acknowledged, yours has not come: FIN-WAIT-2. Data changes no state. RFC 9293"
                        " 3.3.2",
                        "它的 FIN 已得到确认，你的 FIN 还没有到：FIN-WAIT-2。数据不改变状态。RFC 9293 3.3.2",
                    ),
                    {
                        "fin-is-acknowledged": lambda _: State.FIN_WAIT_1,
                        "both-have-closed": lambda _: State.TIME_WAIT,
                        "state-of-the-other-side": lambda _: State.CLOSE_WAIT,
                    },
                ),
            ),
            investigate=(
                Question(
                    "seq",
                    Text(
                        "The kernel began at y. What is the sequence number of its answer?",
                        "内核从 y 开始。它的应答的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="DATA"),
                    lambda _: At("y", 2),
                    Text(
                        "SYN and FIN took up one each: y+2. RFC 9293 3.4",
                        "SYN 和 FIN 各占用一个：y+2。RFC 9293 3.4",
                    ),
                    {"fin-not-counted": lambda _: At("y", 1)},
                ),
            ),
        ),
        Round(
            Text(
                "One word changes: the program calls close() instead of shutdown(SHUT_WR). The FIN and its ACK are the"
                " same. Then you send {n} bytes.",
                "只改一个调用：程序用 close() 代替 shutdown(SHUT_WR)。FIN 和它的 ACK 都一样。然后你发送 {n} 字节。",
            ),
            change={"closes": 1},
            hint=Text(
                "After close(), is there a program that could read the data?",
                "close() 之后，还有程序能读取这些数据吗？",
            ),
            predict=(
                Question(
                    "answer_after_close",
                    Text("Which control bits does the kernel's answer have now?", "现在内核的应答带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="DATA"),
                    lambda _: "R",
                    Text(
                        "After close() no program is left to read, so Linux resets the connection. RFC 9293 3.6.1",
                        "close() 之后没有程序读取数据，所以 Linux 复位连接。RFC 9293 3.6.1",
                    ),
                    {"close-is-no-half-close": lambda _: "A", "nothing-after-fin": lambda _: ""},
                ),
                Question(
                    "state_after_close",
                    Text(
                        "And in which state is its connection? (CLOSED if it is gone.)",
                        "它的连接处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.CLOSED,
                    Text(
                        "A reset ends the connection at once, without TIME-WAIT. RFC 9293 3.10.7.4",
                        "复位会立即结束连接，没有 TIME-WAIT。RFC 9293 3.10.7.4",
                    ),
                    {
                        "reset-waits": lambda _: State.TIME_WAIT,
                        "close-is-no-half-close": lambda _: State.FIN_WAIT_2,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What does the article say about receiving after FIN, and for which call?",
            "关于发出 FIN 之后还能接收，文章是怎么说的？针对哪个调用？",
        ),
        Text(
            "Who could read the data after shutdown(), and who after close()?",
            "shutdown() 之后谁能读取数据？close() 之后呢？",
        ),
        Text("Data that nobody can read is answered with RST.", "没有程序能读取的数据会得到 RST 作为应答。"),
    ),
    learned=Text(
        "shutdown(SHUT_WR) is the half-close. After close() late data is answered with RST, and the connection is"
        " gone.",
        "shutdown(SHUT_WR) 才是半关闭。close() 之后，迟到的数据得到 RST，连接随之消失。",
    ),
)
