"""E26: TCP Fast Open: data in the SYN, with a valid cookie and with a wrong one."""

from lab import ANY, Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Errno, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfCall, OfSegment
from lab.tcp.options import value_of
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port, options={"TCP_FASTOPEN": 16})
    first = lab.peer(to=server)
    first.send("S", options=[("MSS", 1460), ("TFO", b"")])
    answer = first.expect("SA", seq=0, ack=1, options=[("MSS", ANY), ("TFO", ANY), ("NOP", None), ("NOP", None)])
    first.send("R", seq=1)
    cookie = value_of(answer.options, "TFO") if own.valid else bytes(8)
    data = b"." * own.n
    peer = lab.peer(to=server, iss=own.x)
    lab.step("SYN")
    peer.send("S", options=[("MSS", 1460), ("TFO", cookie)], payload=data)
    peer.expect("SA", seq=0, ack=1 + own.n * own.valid)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.step("ACCEPT")
    if own.valid:
        server.accept().expect_data(data)
        lab.step("ACK")
        peer.send("A", seq=1 + own.n, ack=1)
    else:
        server.accept(error="EAGAIN")
        lab.step("ACK")
        peer.send("PA", seq=1, ack=1, payload=data)
        peer.expect("A", seq=1, ack=1 + own.n)
        server.accept().expect_data(data)
    lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E26",
    title=Text("Data in the SYN", "SYN 里的数据"),
    goal=Text(
        "Say what a Fast Open cookie saves, and what happens without a valid one.",
        "会说出 Fast Open 的 cookie 节省了什么，以及没有有效的 cookie 时会怎样。",
    ),
    minutes=10,
    section="RFC 7413 2, 4.1, 4.2",
    article="3.2",
    run=run,
    sysctls={"net.ipv4.tcp_fastopen": "3"},
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1200),
        "port": range(1024, 30000),
        "valid": (1,),
    },
    rounds=(
        Round(
            Text(
                "The server has TCP Fast Open, and gave you a cookie when you connected before. Your new SYN has x ="
                " {x},"
                " this cookie and {n} bytes of data.",
                "服务器启用了 TCP Fast Open，你上次连接时它给了你一个 cookie。你的新 SYN 的序列号为 x = {x}，"
                "带有这个 cookie 和 {n} 字节数据。",
            ),
            predict=(
                Question(
                    "ack",
                    Text("Which acknowledgment number does the SYN+ACK have?", "SYN+ACK 的确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The SYN and all {n} bytes: x+1+{n}. RFC 7413 4.2.2",
                        "SYN 和全部 {n} 个字节：x+1+{n}。RFC 7413 4.2.2",
                    ),
                    {
                        "cookie-admits-data": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
                Question(
                    "readable",
                    Text(
                        "The program calls accept() now, before any third segment, and would not wait. How does the"
                        " call"
                        " end: with success, or with EAGAIN as there is no connection yet?",
                        "在第三个报文段到来之前，程序就调用 accept()，不等待。调用结果如何：成功，"
                        "还是因为没有连接而返回 EAGAIN？",
                    ),
                    Errno(),
                    OfCall("accept", step="ACCEPT"),
                    lambda _: "",
                    Text(
                        "The cookie proves your address, so the server need not wait for the ACK: that saves a round"
                        " trip. RFC 7413 2",
                        "cookie 证明了你的地址，服务器不必等待 ACK：这节省了一个往返时间。RFC 7413 2",
                    ),
                    {"cookie-replaces-the-wait": lambda _: "EAGAIN"},
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the kernel's connection at this moment?",
                        "此刻内核的连接处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "Its own SYN is not acknowledged yet, so the state is SYN-RECEIVED, although data is read. RFC"
                        " 9293 3.3.2",
                        "它自己的 SYN 还没有得到确认，所以是 SYN-RECEIVED，尽管数据已被读取。RFC 9293 3.3.2",
                    ),
                    {
                        "established-too-early": lambda _: State.ESTABLISHED,
                        "no-entry-yet": lambda _: State.LISTEN,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: the cookie in your SYN is not the server's. The {n} bytes are the same.",
                "只改一处：你的 SYN 里的 cookie 不是这个服务器的。{n} 字节数据不变。",
            ),
            change={"valid": 0},
            predict=(
                Question(
                    "ack_now",
                    Text("Which acknowledgment number does the SYN+ACK have now?", "现在 SYN+ACK 的确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN"),
                    lambda _: At("x", 1),
                    Text(
                        "Only the SYN: the data is ignored, and an ordinary handshake follows. RFC 7413 4.2.2",
                        "只确认 SYN：数据被忽略，接下来是普通的握手。RFC 7413 4.2.2",
                    ),
                    {
                        "wrong-cookie-admits-nothing": lambda own: At("x", 1 + own.n),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
                Question(
                    "ack_of_data",
                    Text(
                        "You send the {n} bytes once more, in your third segment. Which acknowledgment number comes"
                        " back?",
                        "你在第三个报文段里再发一次这 {n} 字节。返回的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="ACK"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The data has the numbers that it had in the SYN, and now it counts: x+1+{n}. RFC 9293 3.4",
                        "数据的序列号与在 SYN 里时相同，这次算数：x+1+{n}。RFC 9293 3.4",
                    ),
                    {
                        "ignored-data-takes-no-number": lambda own: At("x", 1 + 2 * own.n),
                        "third-segment-carries-data": lambda _: At("x", 1),
                    },
                ),
            ),
            investigate=(
                Question(
                    "readable_now",
                    Text(
                        "How did accept() end before your third segment?",
                        "在你的第三个报文段之前，accept() 的结果如何？",
                    ),
                    Errno(),
                    OfCall("accept", step="ACCEPT"),
                    lambda _: "EAGAIN",
                    Text(
                        "EAGAIN, there was no connection: a forged SYN must not make the program work. RFC 7413 2",
                        "EAGAIN，还没有连接：伪造的 SYN 不能让程序开始处理。RFC 7413 2",
                    ),
                    {"wrong-cookie-admits-nothing": lambda _: ""},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Why may a server not simply take the data of any SYN? What would have to be proven?",
            "服务器为什么不能直接接受任何 SYN 的数据？必须证明什么？",
        ),
        Text(
            "A cookie shows that you have received something at your address before.",
            "cookie 说明你以前确实在你的地址收到过东西。",
        ),
        Text(
            "With a valid cookie SYN and data are acknowledged, and can be read; without one, only the SYN.",
            "cookie 有效时，SYN 和数据都得到确认，也可以读取；无效时只确认 SYN。",
        ),
    ),
    learned=Text(
        "With a valid cookie the data of a SYN is read before the handshake ends: that saves a round trip. Without one"
        " the data is ignored, and sent again.",
        "cookie 有效时，SYN 里的数据在握手结束之前就能读取：这节省一个往返时间。无效时数据被忽略，要重新发送。",
    ),
)
