"""E04: the router between two ends is replaced by a new one in the middle of a connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Errno, Flags, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, OfCall, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    connection.send(b"." * own.k)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.k)
    peer.send("A")
    lab.step("CUT")
    lab.router.remove()
    if own.sent:
        connection.send(b"." * own.m)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("NEW")
    lab.router.rebuild()
    if own.sent:
        peer.expect("PA", seq=1 + own.k, ack=1, payload=b"." * own.m)
        peer.send("A")
    else:
        peer.send("PA", payload=b"." * own.n)
        peer.expect("A", seq=1 + own.k, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify("connections at the new router", 0, lab.router.count())


EXERCISE = Exercise(
    id="E04",
    title=Text("A connection without a router", "没有路由器的连接"),
    goal=Text(
        "Say what happens to a connection when everything between its two ends is replaced.",
        "会说出两端之间的一切都被更换时，连接会怎样。",
    ),
    minutes=8,
    section="RFC 9293 3.8.1, RFC 1122 1.1.2",
    article="1.2",
    run=run,
    router=True,
    waits=True,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "port": range(1024, 30000),
        "k": range(10, 1000),
        "m": range(10, 1000),
        "n": range(10, 1000),
        "sent": (1,),
    },
    rounds=(
        Round(
            Text(
                "The server (y is its initial sequence number) has sent you {k} bytes over a connection, and you have"
                " acknowledged them. Now the router between you is switched off. The server's program calls send() with"
                " {m} bytes. Then another router takes its place, which has never seen this connection.",
                "服务器（y 是它的初始序列号）通过一个连接发给你 {k} 字节，你已经确认。现在两端之间的路由器被关掉。"
                "服务器程序调用 send() 发送 {m} 字节。然后换上另一台路由器，它从未见过这个连接。",
            ),
            predict=(
                Question(
                    "send",
                    Text(
                        "How does send() end, while there is no router?",
                        "没有路由器时，send() 的结果是什么？",
                    ),
                    Errno(),
                    OfCall("send", step="CUT"),
                    lambda _: "",
                    Text(
                        "send() hands the bytes to the kernel, which keeps them until they are acknowledged."
                        " RFC 9293 3.10.2",
                        "send() 把数据交给内核，内核保存它们直到得到确认。RFC 9293 3.10.2",
                    ),
                    {"send-waits-for-no-network": lambda _: "EHOSTUNREACH", "wire-is-no-connection": lambda _: "EPIPE"},
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the server's connection meanwhile?",
                        "此时服务器的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("CUT"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "Only segments, calls and timers change a state. None of them has come. RFC 9293 3.3.2",
                        "只有报文段、系统调用和定时器能改变状态。这里什么都没有发生。RFC 9293 3.3.2",
                    ),
                    {"wire-is-no-connection": lambda _: State.CLOSED, "no-new-handshake": lambda _: State.SYN_SENT},
                ),
                Question(
                    "flags",
                    Text(
                        "Which control bits does the first segment have that the server's kernel sends through the new"
                        " router?",
                        "服务器内核经过新路由器发出的第一个报文段带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="NEW", arrived=True),
                    lambda _: "A",
                    Text(
                        "It sends the lost data again: a segment of the same connection. RFC 9293 3.8.1",
                        "它重传丢失的数据：同一个连接的报文段。RFC 9293 3.8.1",
                    ),
                    {"no-new-handshake": lambda _: "S", "nobody-resets": lambda _: "R", "lost-for-good": lambda _: ""},
                ),
                Question(
                    "seq",
                    Text("And which sequence number?", "它的序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="NEW", arrived=True),
                    lambda own: At("y", 1 + own.k),
                    Text(
                        "y, one for the SYN, {k} bytes that have arrived. A retransmission has the number of the"
                        " original. RFC 9293 3.4",
                        "y，SYN 占一个，再加已经到达的 {k} 字节。重传的序列号与原来相同。RFC 9293 3.4",
                    ),
                    {
                        "data-not-counted": lambda _: At("y", 1),
                        "lost-for-good": lambda own: At("y", 1 + own.k + own.m),
                        "syn-not-counted": lambda own: At("y", own.k),
                    },
                ),
            ),
            investigate=(
                Question(
                    "at_the_new_router",
                    Text(
                        "How many connections does the new router know, now that data has passed it?",
                        "数据经过新路由器之后，它知道几个连接？",
                    ),
                    Count(),
                    Checked("connections at the new router"),
                    lambda _: 0,
                    Text(
                        "It forwards packets, and keeps nothing of them. RFC 1812 5.3.1",
                        "它转发数据包，不保存任何内容。RFC 1812 5.3.1",
                    ),
                    {"router-keeps-state": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "The same again, but nobody sends anything while the router is away. Once the new one is there you send"
                " {n} bytes. Your initial sequence number was x = {x}.",
                "再来一次，但路由器不在时谁都不发送数据。新路由器就位之后你发送 {n} 字节。你的初始序列号是 x = {x}。",
            ),
            change={"sent": 0},
            hint=Text(
                "What has either end noticed of the gap?",
                "两端各自对这段中断察觉到了什么？",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to your data have?",
                        "内核对你的数据的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="NEW"),
                    lambda _: "A",
                    Text(
                        "Neither end has noticed the change: the connection goes on. RFC 9293 3.4",
                        "两端都没有察觉变化：连接照常继续。RFC 9293 3.4",
                    ),
                    {"nobody-resets": lambda _: "R", "no-new-handshake": lambda _: "S", "lost-for-good": lambda _: ""},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "它的确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="NEW"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节。RFC 9293 3.4",
                    ),
                    {"syn-not-counted": lambda own: At("x", own.n), "data-not-counted": lambda _: At("x", 1)},
                ),
            ),
        ),
    ),
    hints=(
        Text("Which of the machines keeps the state of a connection?", "哪些机器保存连接的状态？"),
        Text(
            "To both ends a missing router looks like a lost segment.",
            "对两端来说，路由器不在与报文段丢失没有区别。",
        ),
        Text(
            "Lost data is sent again by a timer, with the same sequence number.",
            "丢失的数据由定时器触发重传，序列号不变。",
        ),
    ),
    learned=Text(
        "A connection is state at its ends. What lies between may be replaced: a gap is only a lost segment.",
        "连接是两端的状态。中间的设备可以更换：中断不过是丢失了报文段。",
    ),
)
