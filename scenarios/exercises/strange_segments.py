"""E13: what a listener, and a port where nobody listens, answers to strange segments."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, SequenceNumber, Several, WireNumber
from lab.exercise.readings import OfSegment, Which

PROBES = {
    "SYN+FIN": ("SF", Text("SYN and FIN in one segment", "一个报文段里同时带 SYN 和 FIN")),
    "SYN+DATA": ("S", Text("SYN with data", "带数据的 SYN")),
    "NULL": ("", Text("no control bit at all", "不带任何控制位")),
    "RST": ("R", Text("RST", "RST")),
    "ACK": ("A", Text("ACK", "ACK")),
    "SYN+ACK": ("SA", Text("SYN and ACK", "SYN 和 ACK")),
}
STEPS = tuple(PROBES)
OPTIONS = tuple(text for _, text in PROBES.values())
ANSWERS = tuple(OfSegment(1, "flags", step=step) for step in STEPS)


def run(lab: Lab, own: Numbers) -> None:
    target = lab.kernel.listen(port=own.port) if own.listens else own.port
    for step, (letters, _) in PROBES.items():
        lab.step(step)
        peer = lab.peer(to=target, iss=own.x)
        has_ack = "A" in letters
        peer.send(letters, seq=0, ack=own.a if has_ack else None, payload=b"." * own.n if step == "SYN+DATA" else b"")
        if has_ack:
            peer.expect("R", seq=own.a)
        elif step == "SYN+DATA" and own.listens:
            peer.expect("SA", seq=0, ack=1)
        elif own.listens or step == "RST":
            peer.expect_silence()
        else:
            peer.expect("RA")


EXERCISE = Exercise(
    id="E13",
    title=Text("Strange segments", "奇怪的报文段"),
    goal=Text(
        "Say what a port answers to segments that no ordinary program sends, as port scanners do.",
        "会说出端口如何应答普通程序不会发送的报文段，就像端口扫描器发送的那样。",
    ),
    minutes=12,
    section="RFC 9293 3.10.7.1, 3.10.7.2, 3.5.2 group 1",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "a": range(100_000_000, 4_000_000_000, 1009),
        "n": range(10, 1000),
        "port": range(1024, 30000),
        "listens": (1,),
    },
    rounds=(
        Round(
            Text(
                "A program listens on port {port}. You send six segments there, each from another port of yours and"
                " with the sequence number x = {x}. The data is {n} bytes; those with ACK have the acknowledgment"
                " number {a}.",
                "一个程序在端口 {port} 上监听。你向那里发送六个报文段，每个来自你的不同端口，序列号都是 x = {x}。"
                "数据为 {n} 字节；带 ACK 的报文段的确认号为 {a}。",
            ),
            predict=(
                Question(
                    "silent",
                    Text("Which of them get no answer at all?", "其中哪些得不到任何应答？"),
                    Several(OPTIONS),
                    Which(ANSWERS, ""),
                    lambda _: frozenset({0, 2, 3}),
                    Text(
                        "A listener takes SYN, and answers ACK with a reset. RST and segments without SYN and ACK are"
                        " dropped. By the standard SYN with FIN would open a connection; this kernel drops it."
                        " RFC 9293 3.10.7.2",
                        "监听方接受 SYN，用复位应答 ACK。RST 以及既无 SYN 也无 ACK 的报文段会被丢弃。"
                        "按标准，SYN 带 FIN 会建立连接；这个内核则丢弃它。RFC 9293 3.10.7.2",
                    ),
                    {
                        "syn-with-fin-opens": lambda _: frozenset({2, 3}),
                        "listener-resets-no-bare-segment": lambda _: frozenset({0, 3}),
                        "reset-is-never-answered": lambda _: frozenset({0, 2}),
                        "listener-is-not-mute": lambda _: frozenset({0, 2, 3, 4, 5}),
                    },
                ),
                Question(
                    "opened",
                    Text("Which of them are answered with SYN+ACK?", "其中哪些得到 SYN+ACK 应答？"),
                    Several(OPTIONS),
                    Which(ANSWERS, "SA"),
                    lambda _: frozenset({1}),
                    Text(
                        "Data may be in a SYN: the SYN opens the connection all the same. RFC 9293 3.4",
                        "SYN 可以带数据：它仍然会建立连接。RFC 9293 3.4",
                    ),
                    {
                        "syn-with-fin-opens": lambda _: frozenset({0, 1}),
                        "data-spoils-no-syn": lambda _: frozenset(),
                        "ack-spoils-a-syn": lambda _: frozenset({1, 5}),
                    },
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the answer to the SYN with data have?",
                        "对带数据的 SYN 的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN+DATA"),
                    lambda _: At("x", 1),
                    Text(
                        "Linux does not keep data of a SYN without Fast Open, so it acknowledges the SYN alone, and the"
                        " data has to be sent again. RFC 9293 3.4",
                        "没有 Fast Open 时，Linux 不保存 SYN 携带的数据，所以只确认 SYN，数据要重新发送。RFC 9293 3.4",
                    ),
                    {
                        "data-of-a-syn-is-dropped": lambda own: At("x", 1 + own.n),
                        "syn-not-counted": lambda _: At("x", 0),
                        "ack-of-a-syn-is-its-own": lambda own: At("x", own.n),
                    },
                ),
                Question(
                    "reset",
                    Text(
                        "Which sequence number does the answer to your ACK have?",
                        "对你的 ACK 的应答，序列号是多少？",
                    ),
                    WireNumber(),
                    OfSegment(1, "seq", step="ACK"),
                    lambda own: own.a,
                    Text(
                        "A reset takes its sequence number from the acknowledgment number, so that it fits where it"
                        " arrives. RFC 9293 3.5.2",
                        "复位的序列号取自收到的确认号，这样对方才会接受它。RFC 9293 3.5.2",
                    ),
                    {
                        "reset-has-a-number": lambda _: 0,
                        "ack-takes-a-number": lambda own: own.a + 1,
                        "sides-swapped": lambda own: own.x,
                    },
                ),
            ),
        ),
        Round(
            Text(
                "The same six segments, but no program listens on port {port}.",
                "同样的六个报文段，但端口 {port} 上没有程序监听。",
            ),
            change={"listens": 0},
            hint=Text(
                "Without a listener there is nothing to protect: which segment alone must not be answered?",
                "没有监听方就没有什么要保护：只有哪种报文段不能应答？",
            ),
            predict=(
                Question(
                    "silent_when_closed",
                    Text("Which of them get no answer at all now?", "现在哪些得不到任何应答？"),
                    Several(OPTIONS),
                    Which(ANSWERS, ""),
                    lambda _: frozenset({3}),
                    Text(
                        "A closed port resets everything but a reset. RFC 9293 3.10.7.1",
                        "关闭的端口对复位以外的一切都用复位应答。RFC 9293 3.10.7.1",
                    ),
                    {
                        "closed-is-not-silent": lambda _: frozenset({0, 1, 2, 3, 4, 5}),
                        "closed-port-answers-all": lambda _: frozenset({0, 2, 3}),
                        "reset-is-never-answered": lambda _: frozenset(),
                    },
                ),
                Question(
                    "ack_of_data",
                    Text(
                        "Which acknowledgment number does the answer to the SYN with {n} bytes have now?",
                        "现在对带 {n} 字节的 SYN 的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN+DATA"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "A reset acknowledges all that the segment takes up: the SYN and {n} bytes. RFC 9293 3.10.7.1",
                        "复位确认该报文段占用的全部：SYN 和 {n} 个字节。RFC 9293 3.10.7.1",
                    ),
                    {
                        "reset-acknowledges-all": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
                Question(
                    "ack_of_fin",
                    Text("And the answer to the segment with SYN and FIN?", "对同时带 SYN 和 FIN 的报文段的应答呢？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="SYN+FIN"),
                    lambda _: At("x", 2),
                    Text(
                        "SYN and FIN take up one number each. RFC 9293 3.4",
                        "SYN 和 FIN 各占用一个序列号。RFC 9293 3.4",
                    ),
                    {"fin-not-counted": lambda _: At("x", 1), "syn-and-fin-not-counted": lambda _: At("x", 0)},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "The standard goes through control bits in an order: first RST, then ACK, then SYN.",
            "标准按顺序检查控制位：先是 RST，然后 ACK，然后 SYN。",
        ),
        Text(
            "Nothing answers a reset. An ACK for no connection is wrong, and is told so.",
            "复位得不到应答。不属于任何连接的 ACK 是错误的，会得到告知。",
        ),
        Text(
            "A listener is silent to what is neither SYN nor ACK. A closed port is silent to RST only.",
            "监听方对既不是 SYN 也不是 ACK 的报文段保持沉默。关闭的端口只对 RST 保持沉默。",
        ),
    ),
    learned=Text(
        "Who knows the rules for strange segments can tell an open port from a closed one, and Linux from others:"
        " that is what port scanners do.",
        "了解奇怪报文段的应答规则，就能区分开放和关闭的端口，也能识别出 Linux：端口扫描器就是这样做的。",
    ),
)
