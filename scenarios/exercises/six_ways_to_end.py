"""E37: which call of a program sends which segment."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, Several, StateName
from lab.exercise.readings import KernelState, OfSegment, Which
from lab.tcp.state import State

CLOSE, DUP, SHUTDOWN, KILL, UNREAD, LINGER = STEPS = (
    "close()",
    "dup(); close()",
    "shutdown(SHUT_WR)",
    "SIGKILL",
    "recv(); close()",
    "SO_LINGER; close()",
)
FIRST_SEGMENTS = tuple(OfSegment(1, "flags", step=each) for each in STEPS)
WAYS = (
    Text("close(), after everything was read", "读完全部数据之后调用 close()"),
    Text("dup(), then close() of one of the two descriptors", "dup() 之后用 close() 关闭两个描述符之一"),
    Text("shutdown(SHUT_WR)", "shutdown(SHUT_WR)"),
    Text("SIGKILL ends the process that has the socket", "SIGKILL 结束持有套接字的进程"),
    Text("close(), while bytes are unread", "还有字节没有读取时调用 close()"),
    Text("close() with SO_LINGER of 0 seconds", "SO_LINGER 设为 0 秒之后调用 close()"),
)


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    for way in STEPS:
        lab.step("SYN")
        peer = lab.peer(to=server, iss=own.x)
        connection = peer.open()
        process = connection.move_to_process() if way == KILL else None
        if way == UNREAD:
            peer.send("PA", payload=b"." * own.n)
            peer.expect("A", seq=1, ack=1 + own.n)
            connection.expect_data(b"." * (own.n - own.unread))
        lab.step(way)
        if way == DUP:
            connection.dup()
        if way == SHUTDOWN:
            connection.shutdown("write")
        elif way == LINGER:
            connection.abort()
        elif process is not None:
            process.kill()
        else:
            connection.close()
        if way == DUP:
            peer.send("A")  # a bare ACK, which is not answered
            peer.expect_silence()
            lab.kernel.expect_state(peer, "ESTABLISHED")
        elif way in (UNREAD, LINGER):
            peer.expect("RA", seq=1, ack=1 + own.n * (way == UNREAD))
            lab.kernel.expect_state(peer, "CLOSED")
        else:
            peer.expect("FA", seq=1, ack=1)
            lab.kernel.expect_state(peer, "FIN-WAIT-1")


EXERCISE = Exercise(
    id="E37",
    title=Text("Six ways to end", "结束的六种方式"),
    goal=Text(
        "Say for each way in which a program can end a connection which segment the other side gets.",
        "对程序结束连接的每种方式，会说出对方收到什么报文段。",
    ),
    minutes=12,
    section="RFC 9293 3.6.1, 3.10.4, 3.10.5; close(2), socket(7)",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "all": (1,),
    },
    derive={"unread": lambda own: own.n if own.all else 1},
    rounds=(
        Round(
            Text(
                "Six connections are open. On each of them the server's program does something else, as in the list"
                " below. On the fifth you have sent {n} bytes (your SYN had x = {x}), which the kernel has acknowledged"
                " and the program has not read.",
                "建立了六个连接。服务器程序在每个连接上做的事情不同，见下面的列表。"
                "在第五个连接上你发送了 {n} 字节（你的 SYN 的序列号为 x = {x}），内核已经确认，程序没有读取。",
            ),
            predict=(
                Question(
                    "fin",
                    Text("Which of them make the kernel send a FIN?", "其中哪些会让内核发送 FIN？"),
                    Several(WAYS),
                    Which(FIRST_SEGMENTS, "FA"),
                    lambda _: frozenset({0, 2, 3}),
                    Text(
                        "The last descriptor that is closed sends the FIN, also when the process is killed; shutdown()"
                        " does not count descriptors. RFC 9293 3.10.4",
                        "关闭最后一个描述符时发送 FIN，进程被杀死也一样；shutdown() 不看描述符的个数。RFC 9293 3.10.4",
                    ),
                    {
                        "close-is-always-fin": lambda _: frozenset(range(6)),
                        "each-descriptor-sends-a-fin": lambda _: frozenset({0, 1, 2, 3}),
                        "killed-without-a-fin": lambda _: frozenset({0, 2}),
                        "unread-data-is-no-matter": lambda _: frozenset({0, 2, 3, 4}),
                    },
                ),
                Question(
                    "reset",
                    Text("And which of them make it send a reset?", "哪些会让它发送复位？"),
                    Several(WAYS),
                    Which(FIRST_SEGMENTS, "RA"),
                    lambda _: frozenset({4, 5}),
                    Text(
                        "Lost data must not look like an orderly end, and SO_LINGER of 0 asks for an abort."
                        " RFC 9293 3.6.1, 3.10.5",
                        "丢失的数据不能看起来像正常结束；SO_LINGER 为 0 就是要求中止。RFC 9293 3.6.1, 3.10.5",
                    ),
                    {
                        "close-is-always-fin": lambda _: frozenset(),
                        "unread-data-is-no-matter": lambda _: frozenset({5}),
                        "killed-is-reset": lambda _: frozenset({3, 4, 5}),
                    },
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the kernel's segment on the fifth connection have?",
                        "在第五个连接上，内核的报文段的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step=UNREAD),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The kernel had received all {n} bytes: x+1+{n}. What the program reads does not change"
                        " that. RFC 9293 3.4",
                        "内核收到了全部 {n} 字节：x+1+{n}。程序读取多少与此无关。RFC 9293 3.4",
                    ),
                    {
                        "unread-is-not-acknowledged": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
            ),
            investigate=(
                Question(
                    "state",
                    Text(
                        "In which state is the fifth connection afterwards? (CLOSED if it is gone.)",
                        "之后第五个连接处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState(UNREAD),
                    lambda _: State.CLOSED,
                    Text(
                        "A reset ends it at once, for the side that sends it too. RFC 9293 3.10.5",
                        "复位立即结束连接，对发送复位的一方也是如此。RFC 9293 3.10.5",
                    ),
                    {"reset-waits": lambda _: State.TIME_WAIT, "close-is-always-fin": lambda _: State.FIN_WAIT_1},
                ),
            ),
        ),
        Round(
            Text(
                "The same again, but on the fifth connection the program has read all of your {n} bytes but the last.",
                "同样的过程，但在第五个连接上，程序读取了你的 {n} 字节中除最后一个以外的全部字节。",
            ),
            change={"all": 0},
            predict=(
                Question(
                    "one_byte",
                    Text(
                        "Which control bits does the kernel's segment on the fifth connection have now?",
                        "现在第五个连接上，内核的报文段带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step=UNREAD),
                    lambda _: "RA",
                    Text(
                        "One unread byte is lost data as well. RFC 9293 3.6.1",
                        "一个没有读取的字节也是丢失的数据。RFC 9293 3.6.1",
                    ),
                    {"unread-data-is-no-matter": lambda _: "FA", "reset-is-silence": lambda _: ""},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "A FIN says: you have got everything, and I have got everything. When is that a lie?",
            "FIN 的意思是：该发的都发了，该收的都收了。什么时候这是假话？",
        ),
        Text(
            "The kernel closes the sockets of a process that ends, whatever ended it.",
            "进程结束时内核会关闭它的套接字，不管是什么结束了它。",
        ),
        Text(
            "One way sends nothing, three send FIN, two send RST.",
            "一种方式什么都不发送，三种发送 FIN，两种发送 RST。",
        ),
    ),
    learned=Text(
        "close() of the last descriptor sends FIN, also for a killed process. Unread data and SO_LINGER 0 send RST.",
        "关闭最后一个描述符会发送 FIN，进程被杀死也一样。有未读数据或 SO_LINGER 为 0 时发送 RST。",
    ),
)
