"""E24: the third segment is lost: two states at the same time, and what repairs that."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber, StateName
from lab.exercise.readings import Checked, KernelState, OfSegment
from lab.tcp.state import State
from lab.wire.faults import lost


def run(lab: Lab, own: Numbers) -> None:
    if own.kernel_opens:
        kernel_as_client(lab, own)
        return
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x).syn_received()
    lab.step("ACK")
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("A")
    lab.disturb(1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")
    lab.verify("state of the client", "ESTABLISHED", peer.state.value)
    lab.step("DATA")
    peer.send("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")


def kernel_as_client(lab: Lab, own: Numbers) -> None:
    """The kernel's own third segment is lost, and the SYN+ACK comes again."""
    peer = lab.peer(port=own.port)
    client = lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    lab.step("SYN+ACK")
    lab.disturb(1, from_kernel=[lost("A")])
    peer.send("SA")
    peer.expect_silence()
    lab.disturb(1)
    client.expect_connected()
    lab.kernel.expect_state(peer, "ESTABLISHED")
    lab.verify("state of the server", "SYN-RECEIVED", peer.state.value)
    lab.step("SYN+ACK, SYN+ACK")
    peer.send("SA", seq=0)
    peer.expect("A", seq=1, ack=1)
    lab.kernel.expect_state(peer, "ESTABLISHED")


EXERCISE = Exercise(
    id="E24",
    title=Text("The third segment is lost", "第三个报文段丢失"),
    goal=Text(
        "Say in which states both sides are while the third segment is missing, and what repairs it.",
        "会说出缺少第三个报文段时双方各处于什么状态，以及什么能补救。",
    ),
    minutes=10,
    section="RFC 9293 3.3.2, 3.5, 3.8.1",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "kernel_opens": (0,),
    },
    rounds=(
        Round(
            Text(
                "The kernel is the server. Your SYN had x = {x}, its SYN+ACK came, and you send the ACK. The wire loses"
                " it. Then, without knowing that, you send {n} bytes.",
                "内核是服务器。你的 SYN 的序列号为 x = {x}，它的 SYN+ACK 到了，你发送 ACK，却在线路上丢失了。"
                "你并不知道，随后发送 {n} 字节。",
            ),
            predict=(
                Question(
                    "client",
                    Text("In which state are you after you have sent the ACK?", "发出 ACK 之后，你处于什么状态？"),
                    StateName(),
                    Checked("state of the client", State),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "A client is ESTABLISHED as soon as it has sent the ACK: nobody acknowledges that. RFC 9293"
                        " 3.3.2",
                        "客户端一发出 ACK 就是 ESTABLISHED：没有什么会确认它。RFC 9293 3.3.2",
                    ),
                    {
                        "nobody-tells-of-the-loss": lambda _: State.SYN_SENT,
                        "client-skips-syn-received": lambda _: State.SYN_RECEIVED,
                    },
                ),
                Question(
                    "server",
                    Text("And the kernel, at the same time?", "同一时刻内核处于什么状态？"),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.SYN_RECEIVED,
                    Text(
                        "Its SYN is not acknowledged yet. RFC 9293 3.3.2",
                        "它的 SYN 还没有得到确认。RFC 9293 3.3.2",
                    ),
                    {"lost-changes-nothing": lambda _: State.ESTABLISHED, "back-to-listen": lambda _: State.LISTEN},
                ),
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
                        "The data has the same ACK as the segment that was lost. So it completes the handshake, and is"
                        " accepted. RFC 9293 3.10.7.4",
                        "数据带有与丢失的报文段相同的确认号，所以它完成握手，也被接受。RFC 9293 3.10.7.4",
                    ),
                    {"data-has-the-ack-too": lambda _: "R", "data-is-not-ignored": lambda _: ""},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes. The lost ACK took up no number. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节。丢失的 ACK 不占用序列号。RFC 9293 3.4",
                    ),
                    {
                        "third-segment-carries-data": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "ack-takes-a-number": lambda own: At("x", 2 + own.n),
                    },
                ),
            ),
            investigate=(
                Question(
                    "then",
                    Text("In which state is the kernel now?", "现在内核处于什么状态？"),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "Your data has acknowledged its SYN. RFC 9293 3.10.7.4",
                        "你的数据确认了它的 SYN。RFC 9293 3.10.7.4",
                    ),
                    {"data-has-the-ack-too": lambda _: State.SYN_RECEIVED},
                ),
            ),
        ),
        Round(
            Text(
                "The sides change: the kernel is the client, and its third segment is lost. No data is sent. So your"
                " timer"
                " expires, and you send your SYN+ACK again.",
                "双方互换：内核是客户端，它的第三个报文段丢失了。没有发送数据。于是你的定时器到期，你重传 SYN+ACK。",
            ),
            change={"kernel_opens": 1},
            predict=(
                Question(
                    "client_now",
                    Text(
                        "In which state is the kernel before your second SYN+ACK?",
                        "在你的第二个 SYN+ACK 之前，内核处于什么状态？",
                    ),
                    StateName(),
                    KernelState("SYN+ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "ESTABLISHED since it sent its ACK; connect() has returned. RFC 9293 3.3.2",
                        "从发出 ACK 起就是 ESTABLISHED；connect() 已经返回。RFC 9293 3.3.2",
                    ),
                    {"nobody-tells-of-the-loss": lambda _: State.SYN_SENT},
                ),
                Question(
                    "answer_now",
                    Text(
                        "Which control bits does its answer to the second SYN+ACK have?",
                        "它对第二个 SYN+ACK 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="SYN+ACK, SYN+ACK"),
                    lambda _: "A",
                    Text(
                        "Another ACK: whoever gets an old segment says what is expected next. RFC 9293 3.10.7.4",
                        "又一个 ACK：收到旧的报文段时，就告诉对方接下来期望什么。RFC 9293 3.10.7.4",
                    ),
                    {
                        "old-segment-gets-an-ack": lambda _: "",
                        "old-segment-is-no-error": lambda _: "R",
                        "syn-again": lambda _: "S",
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "When does each side change to ESTABLISHED: at which segment, sent or received?",
            "双方各在什么时候变成 ESTABLISHED：哪个报文段，发送时还是收到时？",
        ),
        Text(
            "An ACK is never sent again by itself. But which segments carry the same acknowledgment number?",
            "ACK 自己不会重传。但哪些报文段带有同样的确认号？",
        ),
        Text(
            "Data repairs the loss, and without data the SYN+ACK that comes again.",
            "数据可以补救；没有数据时，重传的 SYN+ACK 可以补救。",
        ),
    ),
    learned=Text(
        "The client is ESTABLISHED a trip before the server. If the third segment is lost, any later segment repairs"
        " it:"
        " the client's data, or the server's SYN+ACK and its answer.",
        "客户端比服务器早一个单程变成 ESTABLISHED。第三个报文段丢失时，之后的任何报文段都能补救：客户端的数据，"
        "或者服务器重传的 SYN+ACK 和对它的应答。",
    ),
)
