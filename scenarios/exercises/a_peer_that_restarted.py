"""E53: one side has lost the connection, and the other does not know."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Errno, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfCall, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    if own.writes:
        lab.step("DATA")
        connection.send(b"." * own.m)
        peer.expect("PA", seq=1, ack=1 + own.n, payload=b"." * own.m)
        peer.send("R", seq=1 + own.n)
        peer.expect_silence()
        lab.kernel.expect_state(peer, "CLOSED")
        connection.recv(error="ECONNRESET")
        return
    lab.step("SYN")
    peer.send("S", seq=own.d)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.step("RST")
    peer.send("R", seq=1 + own.n)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")
    connection.recv(error="ECONNRESET")
    lab.step("SYN 2")
    peer.send("S", seq=own.d)
    peer.expect("SA", ack=own.d + 1)
    peer.send("A", seq=own.d + 1)
    lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E53",
    title=Text("A peer that has restarted", "重新启动的对端"),
    goal=Text(
        "Follow how a half-open connection is found out and replaced.",
        "会说出半打开的连接如何被发现并被新连接取代。",
    ),
    minutes=10,
    section="RFC 9293 3.5.1 figure 9; RFC 5961 4.2",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 700),
        "m": range(701, 1400),
        "d": range(100_000, 1_000_000, 7),
        "port": range(1024, 30000),
        "writes": (0,),
    },
    rounds=(
        Round(
            Text(
                "A connection is open: your SYN had x = {x}, the kernel has acknowledged {n} bytes of yours, and has"
                " sent none itself (its SYN had y). Then your machine restarts and forgets everything. It dials again"
                " from the same port, with a new SYN: x+{d}. It handles the kernel's answer as RFC 9293 says, and then"
                " sends its SYN again.",
                "连接已经建立：你的 SYN 的序列号为 x = {x}，内核确认了你的 {n} 字节，"
                "自己没有发送数据（它的 SYN 的序列号为 y）。"
                "然后你的机器重新启动，忘记了一切。它从同一个端口再次连接，新的 SYN 为 x+{d}。"
                "它按 RFC 9293 处理内核的应答，然后重传自己的 SYN。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to the new SYN have?",
                        "内核对新 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN"),
                    lambda _: "A",
                    Text(
                        "For the kernel the connection is open, and a SYN does not belong there: a challenge ACK."
                        " RFC 5961 4.2",
                        "对内核来说连接是打开的，SYN 不该出现：质询 ACK。RFC 5961 4.2",
                    ),
                    {
                        "second-handshake": lambda _: "SA",
                        "syn-in-window-resets": lambda _: "RA",
                        "nothing-for-a-forger": lambda _: "",
                    },
                ),
                Question(
                    "answer_ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "That of the old connection: x+1+{n}. RFC 9293 3.5.1",
                        "旧连接的确认号：x+1+{n}。RFC 9293 3.5.1",
                    ),
                    {
                        "new-syn-is-acknowledged": lambda own: At("x", own.d + 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "your_reset",
                    Text(
                        "Your machine has sent a SYN and gets this ACK, which acknowledges something else. It answers"
                        " with a reset. Which sequence number must that have to end the old connection?",
                        "你的机器发送了 SYN，却得到这个确认其他内容的 ACK。它用复位应答。"
                        "要结束旧连接，这个复位的序列号必须是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", step="RST", from_peer=True),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "It takes the acknowledgment number of the ACK: exactly what the kernel expects. RFC 9293"
                        " 3.10.7.3",
                        "取这个 ACK 的确认号：正是内核期望的。RFC 9293 3.10.7.3",
                    ),
                    {
                        "reset-of-the-new-number": lambda own: At("x", own.d),
                        "new-syn-is-acknowledged": lambda own: At("x", own.d + 1),
                        "sides-swapped": lambda _: At("y", 1),
                    },
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the kernel's side after that reset? (CLOSED if it is gone.)",
                        "这个复位之后，内核这一端处于什么状态？（如果已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST"),
                    lambda _: State.CLOSED,
                    Text(
                        "The old connection is gone; the listener was there all the time. RFC 9293 3.5.1",
                        "旧连接消失了；监听方一直都在。RFC 9293 3.5.1",
                    ),
                    {
                        "back-to-listen": lambda _: State.LISTEN,
                        "reset-waits": lambda _: State.TIME_WAIT,
                        "reset-opens-the-new-one": lambda _: State.SYN_RECEIVED,
                    },
                ),
                Question(
                    "new_ack",
                    Text(
                        "The SYN is sent again. Which acknowledgment number does the kernel's answer have now?",
                        "SYN 重传了。现在内核应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN 2"),
                    lambda own: At("x", own.d + 1),
                    Text(
                        "A SYN+ACK of the new connection: x+{d}+1. RFC 9293 3.4",
                        "新连接的 SYN+ACK：x+{d}+1。RFC 9293 3.4",
                    ),
                    {
                        "old-numbers-go-on": lambda own: At("x", 1 + own.n),
                        "syn-not-counted": lambda own: At("x", own.d),
                    },
                ),
            ),
            investigate=(
                Question(
                    "new_flags",
                    Text("Which control bits did that last answer have?", "最后这个应答带哪些控制位？"),
                    Flags(),
                    OfSegment(1, "flags", step="SYN 2"),
                    lambda _: "SA",
                    Text(
                        "The second step of an ordinary handshake. RFC 9293 3.5",
                        "普通握手的第二步。RFC 9293 3.5",
                    ),
                    {"still-challenged": lambda _: "A"},
                ),
            ),
        ),
        Round(
            Text(
                "Your machine has restarted in the same way, but it does not dial. Instead the server's program sends"
                " {m} bytes, and your machine answers as one does that has no such connection.",
                "你的机器同样重新启动，但没有再次连接。这次是服务器程序发送 {m} 字节，"
                "你的机器像没有这个连接的主机那样应答。",
            ),
            change={"writes": 1},
            predict=(
                Question(
                    "data_ack",
                    Text(
                        "Which acknowledgment number does the segment with the {m} bytes have?",
                        "携带这 {m} 字节的报文段的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "The kernel has noticed nothing: x+1+{n}, as before. RFC 9293 3.5.1",
                        "内核什么都没有察觉：仍然是 x+1+{n}。RFC 9293 3.5.1",
                    ),
                    {
                        "own-bytes-counted": lambda own: At("x", 1 + own.n + own.m),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 1),
                    },
                ),
                Question(
                    "recv",
                    Text(
                        "The program calls recv() after your reset. How does the call end?",
                        "你的复位之后，程序调用 recv()。这个调用的结果是什么？",
                    ),
                    Errno(),
                    OfCall("recv", step="DATA"),
                    lambda _: "ECONNRESET",
                    Text(
                        "A reset without a FIN before it: the program gets an error, not an end. RFC 9293 3.10.7.4",
                        "之前没有 FIN 的复位：程序得到错误，而不是流末尾。RFC 9293 3.10.7.4",
                    ),
                    {
                        "reset-is-no-end": lambda _: "",
                        "nobody-was-silent": lambda _: "ETIMEDOUT",
                        "reset-for-a-reader": lambda _: "EPIPE",
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text("Which of the two sides knows that something is wrong, and when?", "双方中谁知道出了问题？什么时候知道？"),
        Text(
            "The kernel answers from the old connection. Your side has a SYN out, and that ACK does not fit it.",
            "内核以旧连接的身份应答。你这一端刚发出 SYN，这个 ACK 与它不符。",
        ),
        Text(
            "A reset takes its sequence number from the acknowledgment number that it answers.",
            "复位的序列号取自它所应答的确认号。",
        ),
    ),
    learned=Text(
        "SYN, challenge ACK, reset: three segments end a half-open connection. The next SYN opens the new one.",
        "SYN、质询 ACK、复位：三个报文段结束半打开的连接。下一个 SYN 建立新连接。",
    ),
)
