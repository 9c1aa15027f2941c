"""E47: how a reset ends TIME-WAIT, and the setting against it."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    lab.kernel.sysctl("net.ipv4.tcp_rfc1337", own.rfc1337)
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    connection.close()
    peer.expect("FA", seq=1, ack=1 + own.n)
    peer.send("A")
    peer.send("FA")
    peer.expect("A", seq=2, ack=2 + own.n)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.step("DATA")
    peer.send("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.expect("A", seq=2, ack=2 + own.n)
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.step("RST 1")
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT")
    lab.step("RST 2")
    peer.send("R", seq=2 + own.n)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "TIME-WAIT" if own.rfc1337 else "CLOSED")


EXERCISE = Exercise(
    id="E47",
    title=Text("A reset in TIME-WAIT", "TIME-WAIT 中的复位"),
    goal=Text(
        "Explain how an old duplicate can end TIME-WAIT, and what a setting does against it.",
        "会解释旧的重复报文段如何结束 TIME-WAIT，以及哪个设置能防止它。",
    ),
    minutes=10,
    section="RFC 1337 2, 3; RFC 9293 3.10.7.4 second",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "rfc1337": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN had x = {x}, and you have sent {n} bytes. The server's program has read them and closed"
                " first, then you have closed: the kernel is in TIME-WAIT. Now an old duplicate of your {n} bytes"
                " arrives there, and the kernel answers. Your host has forgotten the connection and resets it, at first"
                " with a wrong sequence number (x+1), then with the one that fits the kernel's answer."
                " net.ipv4.tcp_rfc1337 is 0, the default.",
                "你的 SYN 的序列号为 x = {x}，你发送了 {n} 字节。服务器程序读取之后先关闭，然后你也关闭："
                "内核处于 TIME-WAIT。现在你那 {n} 字节的一个旧的重复报文段到达，内核作出应答。"
                "你的主机已经忘记这个连接，于是发送复位：先用错误的序列号（x+1），"
                "再用与内核应答相符的序列号。net.ipv4.tcp_rfc1337 为默认值 0。",
            ),
            predict=(
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's answer to the old duplicate have?",
                        "内核对旧的重复报文段的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="DATA"),
                    lambda _: "A",
                    Text(
                        "What cannot be accepted is answered with an ACK, in TIME-WAIT too. RFC 9293 3.10.7.4",
                        "不可接受的报文段得到 ACK 应答，在 TIME-WAIT 中也是如此。RFC 9293 3.10.7.4",
                    ),
                    {"time-wait-is-deaf": lambda _: "", "refused-is-reset": lambda _: "R"},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "The last ACK again: x, one for the SYN, {n} bytes, one for your FIN. RFC 9293 3.10.7.4",
                        "再次发送最后一个 ACK：x，SYN 占一个，{n} 个字节，你的 FIN 占一个。RFC 9293 3.10.7.4",
                    ),
                    {
                        "duplicate-is-acknowledged": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                        "duplicate-counts-again": lambda own: At("x", 2 + 2 * own.n),
                    },
                ),
                Question(
                    "wrong_number",
                    Text(
                        "In which state is the kernel after the reset with the wrong number?",
                        "序列号错误的复位到达之后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("RST 1"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "A reset whose number is not expected is ignored. RFC 9293 3.10.7.4",
                        "序列号不符合预期的复位被忽略。RFC 9293 3.10.7.4",
                    ),
                    {"any-reset-kills": lambda _: State.CLOSED, "back-to-listen": lambda _: State.LISTEN},
                ),
                Question(
                    "exact_number",
                    Text(
                        "And after the one with the exact number? (CLOSED if the connection is gone.)",
                        "序列号完全相符的复位到达之后呢？（如果连接已经不存在，就写 CLOSED。）",
                    ),
                    StateName(),
                    KernelState("RST 2"),
                    lambda _: State.CLOSED,
                    Text(
                        "TIME-WAIT is assassinated: nothing protects the next connection any more. RFC 1337 2",
                        "TIME-WAIT 被“暗杀”：再没有什么保护下一个连接。RFC 1337 2",
                    ),
                    {"time-wait-is-immortal": lambda _: State.TIME_WAIT, "back-to-listen": lambda _: State.LISTEN},
                ),
            ),
            investigate=(
                Question(
                    "seq",
                    Text("Which sequence number did your second reset have?", "你的第二个复位的序列号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "seq", base="x", step="RST 2", from_peer=True),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "That of the kernel's ACK: a reset takes its number from there. RFC 9293 3.10.7.1",
                        "就是内核的 ACK 的确认号：复位的序列号取自那里。RFC 9293 3.10.7.1",
                    ),
                    {"fin-not-counted": lambda own: At("x", 1 + own.n)},
                ),
            ),
        ),
        Round(
            Text(
                "The same segments, with net.ipv4.tcp_rfc1337 = 1.",
                "同样的报文段，net.ipv4.tcp_rfc1337 = 1。",
            ),
            change={"rfc1337": 1},
            predict=(
                Question(
                    "protected",
                    Text(
                        "In which state is the kernel after the reset with the exact number?",
                        "序列号完全相符的复位到达之后，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("RST 2"),
                    lambda _: State.TIME_WAIT,
                    Text(
                        "With this setting Linux ignores every reset in TIME-WAIT. RFC 1337 3",
                        "使用这个设置时，Linux 在 TIME-WAIT 中忽略所有复位。RFC 1337 3",
                    ),
                    {"setting-has-no-effect": lambda _: State.CLOSED, "back-to-listen": lambda _: State.LISTEN},
                ),
                Question(
                    "still_answers",
                    Text(
                        "And which control bits does its answer to the old duplicate have?",
                        "它对旧的重复报文段的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="DATA"),
                    lambda _: "A",
                    Text(
                        "Only resets are ignored; what else comes is answered as before. RFC 1337 3",
                        "只忽略复位；其他报文段照常得到应答。RFC 1337 3",
                    ),
                    {"time-wait-is-deaf": lambda _: "", "refused-is-reset": lambda _: "R"},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What does a host without a connection send when an ACK for it comes?",
            "主机没有某个连接时，收到属于它的 ACK 会发送什么？",
        ),
        Text(
            "The kernel's own ACK tells the other side the number that its reset needs.",
            "内核自己的 ACK 告诉了对方复位所需的序列号。",
        ),
        Text(
            "RFC 1337 proposes to ignore resets in TIME-WAIT; the setting with its number does that.",
            "RFC 1337 建议在 TIME-WAIT 中忽略复位；以它命名的设置就是这样做的。",
        ),
    ),
    learned=Text(
        "An old duplicate draws an ACK, the ACK a reset, and that ends TIME-WAIT, unless tcp_rfc1337 is 1.",
        "旧的重复报文段引出 ACK，ACK 引出复位，复位结束 TIME-WAIT，除非 tcp_rfc1337 为 1。",
    ),
)
