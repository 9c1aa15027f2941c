"""E22: a third segment that carries data, and what that saves."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x).syn_received()
    lab.step("ACK")
    if own.bare:
        peer.send("A", seq=1, ack=1)
    peer.send("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")
    server.accept().expect_data(b"." * own.n)


EXERCISE = Exercise(
    id="E22",
    title=Text("A request in the third segment", "第三个报文段里的请求"),
    goal=Text(
        "Say what data in the third segment saves: a segment, or time.",
        "会说出在第三个报文段里携带数据节省了什么：报文段还是时间。",
    ),
    minutes=8,
    section="RFC 9293 3.4, 3.5, 3.10.7.4",
    article="3.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "bare": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN has x = {x}, the SYN+ACK comes. Your third segment has ACK and also the request: {n} bytes.",
                "你的 SYN 的序列号为 x = {x}，SYN+ACK 到了。你的第三个报文段带 ACK，同时携带请求：{n} 字节。",
            ),
            predict=(
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number does the kernel's answer to the third segment have?",
                        "内核对第三个报文段的应答，确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="ACK"),
                    lambda own: At("x", 1 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes: the data is accepted. RFC 9293 3.10.7.4",
                        "x，SYN 占一个，{n} 个字节：数据被接受。RFC 9293 3.10.7.4",
                    ),
                    {
                        "third-segment-carries-data": lambda _: At("x", 1),
                        "syn-not-counted": lambda own: At("x", own.n),
                        "ack-takes-a-number": lambda own: At("x", 2 + own.n),
                    },
                ),
                Question(
                    "state",
                    Text("In which state is the kernel then?", "此时内核处于什么状态？"),
                    StateName(),
                    KernelState("ACK"),
                    lambda _: State.ESTABLISHED,
                    Text(
                        "The segment acknowledges the kernel's SYN; that it carries data as well does not matter. RFC"
                        " 9293 3.10.7.4",
                        "这个报文段确认了内核的 SYN；它同时携带数据并无影响。RFC 9293 3.10.7.4",
                    ),
                    {"data-does-not-disturb": lambda _: State.SYN_RECEIVED},
                ),
                Question(
                    "segments",
                    Text(
                        "How many segments pass the wire in all, from your SYN to the ACK of your data?",
                        "从你的 SYN 到对你的数据的 ACK，一共经过多少个报文段？",
                    ),
                    Count(),
                    HowMany(),
                    lambda _: 4,
                    Text(
                        "SYN, SYN+ACK, ACK with data, ACK: four. RFC 9293 3.5",
                        "SYN、SYN+ACK、带数据的 ACK、ACK：四个。RFC 9293 3.5",
                    ),
                    {"data-needs-no-segment": lambda _: 5, "data-is-acknowledged": lambda _: 3},
                ),
            ),
        ),
        Round(
            Text(
                "One thing changes: your third segment is a bare ACK, and the {n} bytes follow at once in a segment of"
                " their own.",
                "只改一处：你的第三个报文段是不带数据的 ACK，{n} 字节紧接着在单独的报文段里发送。",
            ),
            change={"bare": 1},
            predict=(
                Question(
                    "segments_now",
                    Text("How many segments pass the wire in all now?", "现在一共经过多少个报文段？"),
                    Count(),
                    HowMany(),
                    lambda _: 5,
                    Text(
                        "One more: the bare ACK. It is not answered. RFC 9293 3.5",
                        "多一个：不带数据的 ACK。它得不到应答。RFC 9293 3.5",
                    ),
                    {"bare-ack-is-a-segment": lambda _: 4, "an-ack-is-not-acknowledged": lambda _: 6},
                ),
                Question(
                    "kernel_sends",
                    Text(
                        "And how many segments does the kernel send from your bare ACK on, until all data is"
                        " acknowledged?",
                        "从你不带数据的 ACK 算起，到数据全部得到确认，内核发送几个报文段？",
                    ),
                    Count(),
                    HowMany(from_peer=False, step="ACK"),
                    lambda _: 1,
                    Text(
                        "Only the ACK of the data. Nothing answers the bare ACK, so the data has nothing to wait for: a"
                        " segment was saved before, but no round trip. RFC 9293 3.5",
                        "只有对数据的 ACK。不带数据的 ACK 得不到应答，所以数据什么也不用等：先前节省的是一个报文段，"
                        "而不是往返时间。"
                        "RFC 9293 3.5",
                    ),
                    {"an-ack-is-not-acknowledged": lambda _: 2, "data-is-acknowledged": lambda _: 0},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Is the third segment different from any other segment with ACK?",
            "第三个报文段与其他带 ACK 的报文段有区别吗？",
        ),
        Text(
            "After the SYN+ACK the client may send. What would it wait for after its bare ACK?",
            "收到 SYN+ACK 之后客户端就可以发送。发出不带数据的 ACK 之后，它还要等什么？",
        ),
        Text(
            "A bare ACK is one segment more, and nobody answers it.",
            "不带数据的 ACK 就是多一个报文段，而且没有应答。",
        ),
    ),
    learned=Text(
        "The third segment may carry data. That saves a segment, but no round trip: data may follow a bare ACK at"
        " once.",
        "第三个报文段可以携带数据。这样节省一个报文段，但不节省往返时间：数据可以紧跟在不带数据的 ACK 之后。",
    ),
)
