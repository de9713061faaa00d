"""Protocol buffers by hand: what a writer would write, and what none would."""


def varint(value):
    value &= 2**64 - 1
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(data) + bytes([value])


def integer(number, value):
    return varint(number << 3) + varint(value)


def part(number, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def packed(number, values):
    return part(number, b"".join(varint(value) for value in values))
