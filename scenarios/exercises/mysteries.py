"""M01 to M14: captures with one fault each. What happened, which packet shows it, in which state is each side?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab import Connection, Lab, Listener, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.mystery import Diagnosis, PacketNumber, PeerState, Sign
from lab.exercise.notation import Choice, Count, StateName
from lab.exercise.readings import KernelState
from lab.tcp.state import State
from lab.wire.faults import lost

FAULT = "The fault"
HANDSHAKE = 3
"""Segments of a connection that is only opened."""


@dataclass(frozen=True, slots=True)
class Mystery:
    """One fault: how it is made, and what is known of it."""

    name: Text
    """As one of the answers to choose from."""
    play: Callable[[Lab, Listener, Numbers], None]
    sign: Sign
    """The packet in which it shows first."""
    packet: int
    """Number of this packet, counted from the first packet of the fault's connection."""
    kernel: State
    peer: State | None
    """None if it is not asked."""
    why: Text
    mistaken: int
    """Index of the fault for which it is taken."""
    explained: str
    """Id of the misconception behind that."""
    confused: tuple[State, State]
    """Typical wrong states of the kernel's side and of the peer."""
    waits: bool = False


def opened(lab: Lab, server: Listener, own: Numbers) -> tuple[Peer, Connection]:
    """An open connection; the step of the fault begins."""
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    lab.step(FAULT)
    return peer, connection


def half_opened(lab: Lab, server: Listener, own: Numbers) -> Peer:
    """The step of the fault begins with the first two segments of a handshake."""
    lab.step(FAULT)
    peer = lab.peer(to=server, iss=own.x)
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    return peer


def third_segment_lost(lab: Lab, server: Listener, own: Numbers) -> None:
    """The peer's ACK of the SYN+ACK never arrives."""
    peer = half_opened(lab, server, own)
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("A")
    peer.expect_retransmissions("SA", 1)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")


def nobody_listens(lab: Lab, server: Listener, own: Numbers) -> None:
    """A SYN to another port than that of the server."""
    lab.step(FAULT)
    peer = lab.peer(to=server.port + 1, iss=own.x)
    peer.send("S")
    peer.expect("RA", seq=0, ack=1)
    lab.kernel.expect_state(peer, "CLOSED")


def wrong_third_segment(lab: Lab, server: Listener, own: Numbers) -> None:
    """The third segment acknowledges what was never sent."""
    peer = half_opened(lab, server, own)
    peer.send("A", seq=1, ack=1 + own.n)
    peer.expect("R", seq=1 + own.n)
    lab.kernel.expect_state(peer, "SYN-RECEIVED")


def tiny_segments(lab: Lab, server: Listener, own: Numbers) -> None:
    """The peer announces an MSS of 88."""
    lab.step(FAULT)
    peer = lab.peer(to=server, iss=own.x, mss=88)
    connection = peer.open()
    connection.send(b"." * 200)
    peer.expect("A", seq=1, ack=1, payload=b"." * 88)
    peer.expect("A", seq=89, ack=1, payload=b"." * 88)
    peer.expect("PA", seq=177, ack=1, payload=b"." * 24)
    peer.send("A")
    lab.kernel.expect_state(peer, "ESTABLISHED")


def closed_window(lab: Lab, server: Listener, own: Numbers) -> None:
    """The peer closes its window, so more data and the FIN have to wait."""
    peer, connection = opened(lab, server, own)
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.send("A", window=0)
    lab.settle()
    connection.send(b"." * own.n)
    connection.close()
    peer.expect("A", seq=own.n, ack=1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")


def another_copy(lab: Lab, server: Listener, own: Numbers) -> None:
    """A segment with a number that has been used, and other bytes."""
    peer, connection = opened(lab, server, own)
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    peer.send("PA", seq=1, payload=b"!" * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")


def data_lost(lab: Lab, server: Listener, own: Numbers) -> None:
    """The second of three segments with data never arrives."""
    peer, _ = opened(lab, server, own)
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    peer.send("PA", seq=1 + 2 * own.n, payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")


def forged_reset(lab: Lab, server: Listener, own: Numbers) -> None:
    """A reset in the window that does not have the exact number."""
    peer, _ = opened(lab, server, own)
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    peer.send("R", seq=1 + own.n + own.off)
    peer.expect("A", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "ESTABLISHED")


def forgotten(lab: Lab, server: Listener, own: Numbers) -> None:
    """The peer has lost the connection, and answers data with a reset."""
    peer, connection = opened(lab, server, own)
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.send("R", seq=1)
    peer.expect_silence()
    lab.kernel.expect_state(peer, "CLOSED")


def unread_data(lab: Lab, server: Listener, own: Numbers) -> None:
    """The server's program closes without reading."""
    peer, connection = opened(lab, server, own)
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.close()
    peer.expect("RA", seq=1, ack=1 + own.n)
    lab.kernel.expect_state(peer, "CLOSED")


def ack_of_fin_lost(lab: Lab, server: Listener, own: Numbers) -> None:
    """The peer's ACK of the kernel's FIN never arrives."""
    peer, connection = opened(lab, server, own)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    lab.disturb(1, to_kernel=[lost("A")])
    peer.send("A")
    peer.expect_retransmissions("FA", 1)
    lab.kernel.expect_state(peer, "FIN-WAIT-1")


def data_after_close(lab: Lab, server: Listener, own: Numbers) -> None:
    """The server's program has called close(), and the peer sends data."""
    peer, connection = opened(lab, server, own)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("A")
    peer.send("PA", payload=b"." * own.n)
    peer.expect("R", seq=2)
    lab.kernel.expect_state(peer, "CLOSED")


def port_again_too_early(lab: Lab, server: Listener, own: Numbers) -> None:
    """A SYN from the port of a connection in TIME-WAIT, with a number that was used there."""
    peer, connection = opened(lab, server, own)
    connection.close()
    peer.expect("FA", seq=1, ack=1)
    peer.send("FA")
    peer.expect("A", seq=2, ack=2)
    peer.send("S", seq=-own.off)
    peer.expect("A", seq=2, ack=2)
    lab.kernel.expect_state(peer, "TIME-WAIT")


def nobody_there(lab: Lab, server: Listener, own: Numbers) -> None:  # noqa: ARG001  # as all faults
    """The kernel is a client, and no answer comes."""
    lab.step(FAULT)
    peer = lab.peer(port=own.port)
    lab.kernel.connect(to=peer)
    peer.expect("S", seq=0)
    peer.expect_retransmissions("S", 1)
    lab.kernel.expect_state(peer, "SYN-SENT")


ESTABLISHED, CLOSED = State.ESTABLISHED, State.CLOSED
MYSTERIES = (
    Mystery(
        Text("The third segment of the handshake was lost", "握手的第三个报文段丢失了"),
        third_segment_lost,
        Sign(FAULT, "SA", nth=2),
        3,
        State.SYN_RECEIVED,
        ESTABLISHED,
        Text(
            "The kernel sends its SYN+ACK again, because no ACK of it has come. The peer has the first"
            " SYN+ACK, so it is"
            " ESTABLISHED. RFC 9293 3.8.1",
            "内核重传了 SYN+ACK，因为没有收到对它的 ACK。"
            "对端收到了第一个 SYN+ACK，所以处于 ESTABLISHED。RFC 9293 3.8.1",
        ),
        mistaken=2,
        explained="mystery-nothing-wrong-arrived",
        confused=(ESTABLISHED, State.SYN_SENT),
        waits=True,
    ),
    Mystery(
        Text("No program listens on the port", "没有程序监听该端口"),
        nobody_listens,
        Sign(FAULT, "RA"),
        2,
        CLOSED,
        CLOSED,
        Text(
            "A reset answers the SYN at once, and acknowledges it: no connection begins. RFC 9293 3.5.2 group 1",
            "对 SYN 立即应答一个复位，并确认了它：连接没有开始。RFC 9293 3.5.2 group 1",
        ),
        mistaken=13,
        explained="mystery-somebody-answers",
        confused=(State.LISTEN, State.SYN_SENT),
    ),
    Mystery(
        Text(
            "The third segment acknowledges a number that was never sent",
            "第三个报文段确认了一个从未发送过的序列号",
        ),
        wrong_third_segment,
        Sign(FAULT, "A", from_peer=True),
        3,
        State.SYN_RECEIVED,
        ESTABLISHED,
        Text(
            "Its acknowledgment number is not the SYN+ACK's sequence number plus 1. The kernel answers with"
            " a reset, and"
            " the request stays. RFC 9293 3.10.7.4",
            "它的确认号不等于 SYN+ACK 的序列号加 1。内核用复位应答，请求保留。RFC 9293 3.10.7.4",
        ),
        mistaken=0,
        explained="mystery-it-arrived",
        confused=(ESTABLISHED, State.SYN_RECEIVED),
    ),
    Mystery(
        Text("One side announces a very small MSS", "一方通告了非常小的 MSS"),
        tiny_segments,
        Sign(FAULT, "S", from_peer=True),
        1,
        ESTABLISHED,
        ESTABLISHED,
        Text(
            "The SYN has an MSS of 88, so 200 bytes take three segments. RFC 9293 3.7.1",
            "SYN 里的 MSS 是 88，所以 200 字节需要三个报文段。RFC 9293 3.7.1",
        ),
        mistaken=4,
        explained="mystery-window-is-open",
        confused=(State.SYN_RECEIVED, State.SYN_SENT),
    ),
    Mystery(
        Text("One side has closed its window", "一方关闭了窗口"),
        closed_window,
        Sign(FAULT, "A", from_peer=True),
        5,
        State.FIN_WAIT_1,
        ESTABLISHED,
        Text(
            "The ACK has a window of 0. The kernel's program has sent more and called close(), but data and FIN wait. A"
            " probe asks whether the window has opened. RFC 9293 3.8.6.1",
            "这个 ACK 的窗口是 0。内核一侧的程序又发送了数据并调用了 close()，但数据和 FIN 都在等待。"
            "一个探测报文段询问窗口是否已打开。RFC 9293 3.8.6.1",
        ),
        mistaken=6,
        explained="mystery-nothing-is-missing",
        confused=(State.FIN_WAIT_2, State.CLOSE_WAIT),
        waits=True,
    ),
    Mystery(
        Text(
            "A segment with numbers that were used before carries other bytes",
            "一个报文段使用了用过的序列号，却携带不同的字节",
        ),
        another_copy,
        Sign(FAULT, "A", from_peer=True, nth=2),
        6,
        ESTABLISHED,
        ESTABLISHED,
        Text(
            "It looks like a retransmission, but its bytes differ. The kernel has those bytes already, and only"
            " acknowledges them again. RFC 9293 3.10.7.4 first",
            "它看起来像重传，但字节不同。内核已经有这些字节，只是再确认一次。RFC 9293 3.10.7.4 first",
        ),
        mistaken=6,
        explained="mystery-number-is-old",
        confused=(State.CLOSE_WAIT, CLOSED),
    ),
    Mystery(
        Text("A segment with data was lost", "一个携带数据的报文段丢失了"),
        data_lost,
        Sign(FAULT, "A", from_peer=True, nth=2),
        6,
        ESTABLISHED,
        ESTABLISHED,
        Text(
            "Its sequence number does not follow the bytes before it: some are missing. The kernel repeats"
            " the number that"
            " it expects. RFC 9293 3.10.7.4 first",
            "它的序列号没有紧接前面的字节：中间缺了一段。内核重复它期望的序列号。RFC 9293 3.10.7.4 first",
        ),
        mistaken=5,
        explained="mystery-number-is-ahead",
        confused=(State.CLOSE_WAIT, CLOSED),
    ),
    Mystery(
        Text("A reset that may be forged was not obeyed", "一个可能是伪造的复位没有被接受"),
        forged_reset,
        Sign(FAULT, "R", from_peer=True),
        6,
        ESTABLISHED,
        ESTABLISHED,
        Text(
            "Its sequence number lies in the window, but is not exactly the next one. The answer is a"
            " challenge ACK, and"
            " the connection stays. RFC 5961 3.2",
            "它的序列号在窗口内，但不正好是下一个。应答是一个 challenge ACK，连接保留。RFC 5961 3.2",
        ),
        mistaken=8,
        explained="mystery-reset-is-not-exact",
        confused=(CLOSED, CLOSED),
    ),
    Mystery(
        Text("One side has forgotten the connection", "一方忘记了这个连接"),
        forgotten,
        Sign(FAULT, "R", from_peer=True),
        5,
        CLOSED,
        CLOSED,
        Text(
            "Data is answered by a reset with exactly the number that is expected: the peer was started"
            " anew and knows no"
            " such connection. RFC 9293 3.5.1",
            "数据得到一个序列号完全正确的复位：对端重新启动过，不认识这个连接。RFC 9293 3.5.1",
        ),
        mistaken=7,
        explained="mystery-reset-is-exact",
        confused=(ESTABLISHED, ESTABLISHED),
    ),
    Mystery(
        Text("A program closed before it had read everything", "程序没有读完数据就关闭了连接"),
        unread_data,
        Sign(FAULT, "RA"),
        6,
        CLOSED,
        CLOSED,
        Text(
            "The data was acknowledged, yet a reset follows instead of a FIN: close() with unread data. RFC 9293 3.6,"
            " RFC 2525 2.17",
            "数据得到了确认，随后却是复位而不是 FIN：在数据未读时调用了 close()。RFC 9293 3.6, RFC 2525 2.17",
        ),
        mistaken=11,
        explained="mystery-no-fin-before",
        confused=(State.FIN_WAIT_1, State.CLOSE_WAIT),
    ),
    Mystery(
        Text("The ACK of a FIN was lost", "对 FIN 的 ACK 丢失了"),
        ack_of_fin_lost,
        Sign(FAULT, "FA", nth=2),
        5,
        State.FIN_WAIT_1,
        State.CLOSE_WAIT,
        Text(
            "The kernel sends its FIN again, because no ACK of it has come. That the FIN itself was lost would look the"
            " same here; the peer has received it. RFC 9293 3.8.1",
            "内核重传了 FIN，因为没有收到对它的 ACK。FIN 本身丢失时在这里看起来一样；对端其实收到了它。RFC 9293 3.8.1",
        ),
        mistaken=4,
        explained="mystery-window-is-open",
        confused=(State.FIN_WAIT_2, ESTABLISHED),
        waits=True,
    ),
    Mystery(
        Text("Data came for a program that had called close()", "数据到达时，程序已经调用了 close()"),
        data_after_close,
        Sign(FAULT, "R"),
        7,
        CLOSED,
        CLOSED,
        Text(
            "After its FIN the kernel answers data with a reset: nobody can read it any more. RFC 9293 3.6, 3.10.7.4",
            "内核发送 FIN 之后，用复位应答数据：已经没有程序能读取它。RFC 9293 3.6, 3.10.7.4",
        ),
        mistaken=9,
        explained="mystery-a-fin-before",
        confused=(State.FIN_WAIT_2, State.CLOSE_WAIT),
    ),
    Mystery(
        Text("A port is used again while TIME-WAIT lasts", "TIME-WAIT 期间端口被再次使用"),
        port_again_too_early,
        Sign(FAULT, "S", from_peer=True),
        7,
        State.TIME_WAIT,
        None,
        Text(
            "The connection has been closed by both sides, and a SYN comes from the same port with a number"
            " that was used"
            " already. TIME-WAIT answers with an ACK. RFC 9293 3.10.7.4, RFC 6191",
            "连接已由双方关闭，同一端口又发来 SYN，使用的序列号已经用过。"
            "TIME-WAIT 用 ACK 应答。RFC 9293 3.10.7.4, RFC 6191",
        ),
        mistaken=7,
        explained="mystery-it-is-a-syn",
        confused=(CLOSED, CLOSED),
    ),
    Mystery(
        Text("Nobody answers", "没有应答"),
        nobody_there,
        Sign(FAULT, "S", nth=2),
        2,
        State.SYN_SENT,
        None,
        Text(
            "The same SYN is sent again, and nothing comes back, not even a reset. RFC 9293 3.8.1",
            "同一个 SYN 被重传，没有任何应答，连复位也没有。RFC 9293 3.8.1",
        ),
        mistaken=1,
        explained="mystery-no-reset-came",
        confused=(CLOSED, CLOSED),
        waits=True,
    ),
)
NONE_OF_THESE = Text("None of these", "都不是")
OPTIONS = (*(each.name for each in MYSTERIES), NONE_OF_THESE)


def exercise(index: int, mystery: Mystery) -> Exercise:
    """The exercise about one fault."""

    def run(lab: Lab, own: Numbers) -> None:
        server = lab.kernel.listen(port=own.port)
        for _ in range(own.before):
            lab.peer(to=server).open()
        mystery.play(lab, server, own)

    def number(own: Numbers) -> int:
        return HANDSHAKE * own.before + mystery.packet

    return Exercise(
        id=f"M{index + 1:02}",
        title=Text(f"Mystery {index + 1}", f"谜题 {index + 1}"),
        goal=Text("Say what happened from the packets alone.", "只凭报文段说出发生了什么。"),
        minutes=8,
        section="RFC 9293 3.10",
        article="3, 4",
        run=run,
        draw={
            "x": range(100_000_000, 4_000_000_000, 997),
            "port": range(1024, 30000),
            "n": range(10, 1400),
            "off": range(100, 1000),
            "before": range(4),
        },
        rounds=(
            Round(
                Text(
                    "A capture of the kernel's interface. The kernel's server has port {port}. One thing went wrong.",
                    "这些报文段捕获于内核的接口。内核一侧的服务器端口是 {port}。其中有一处出了问题。",
                ),
                predict=(
                    Question(
                        "what",
                        Text("What happened?", "发生了什么？"),
                        Choice(OPTIONS),
                        Diagnosis(mystery.sign, index, len(MYSTERIES)),
                        lambda _: index,
                        mystery.why,
                        {mystery.explained: lambda _: mystery.mistaken},
                    ),
                    Question(
                        "packet",
                        Text(
                            "Number of the first packet that is not as it should be, or that comes only because of it?",
                            "第一个不正常的、或仅因此才出现的报文段是第几个？",
                        ),
                        Count(),
                        PacketNumber(mystery.sign),
                        number,
                        mystery.why,
                        {
                            "mystery-packet-before": lambda own: number(own) - 1,
                            "mystery-packet-after": lambda own: number(own) + 1,
                        },
                    ),
                    *states(mystery),
                ),
            ),
        ),
        hints=(
            Text(
                "Follow the numbers: does each segment begin where the one before it of the same side ended?",
                "跟踪序列号：每个报文段是否都从同一方上一个报文段结束的地方开始？",
            ),
            Text(
                "Is a segment there twice, or an answer missing, or one that nobody would expect?",
                "有没有报文段出现两次、缺少应答，或者出现没人会预料到的报文段？",
            ),
            Text(
                "Compare times too: a pause before a segment is a timer that has expired.",
                "也要比较时间：报文段之前的停顿说明有定时器到期。",
            ),
        ),
        learned=Text(
            "States are on no wire: they follow from the segments that have arrived, and from those that have not.",
            "状态不在线路上：它由到达的报文段和没有到达的报文段推断出来。",
        ),
        waits=mystery.waits,
        mystery=True,
    )


def states(mystery: Mystery) -> tuple[Question, ...]:
    """The questions about the states of both sides after the last packet."""
    kernel = Question(
        "kernel_state",
        Text(
            "In which state is the kernel's side of that connection after the last packet?",
            "最后一个报文段之后，内核一侧的这个连接处于什么状态？",
        ),
        StateName(),
        KernelState(step=FAULT),
        lambda _: mystery.kernel,
        mystery.why,
        {explained(mystery.kernel, mystery.confused[0]): lambda _: mystery.confused[0]},
    )
    if mystery.peer is None:
        return (kernel,)
    peer = Question(
        "peer_state",
        Text("And the peer?", "对端呢？"),
        StateName(),
        PeerState(),
        lambda _: mystery.peer,
        mystery.why,
        {explained(mystery.peer, mystery.confused[1]): lambda _: mystery.confused[1]},
    )
    return kernel, peer


def explained(true: State, confused: State) -> str:
    """Id of the misconception behind a wrong state."""
    if true is CLOSED:
        return "mystery-a-reset-ends"
    return "mystery-nothing-has-ended" if confused is CLOSED else "mystery-not-that-state"


EXERCISES = tuple(exercise(index, each) for index, each in enumerate(MYSTERIES))
