package main

import (
	"encoding/binary"
	"log"
	"unicode/utf16"
)

// Kinds of messages, MS-TDS 2.2.3.1.1.
const (
	batch       = 1
	call        = 3
	reply       = 4
	attention   = 6
	transaction = 14
	login       = 16
	prelogin    = 18

	lastPacket = 1
)

// Tokens, MS-TDS 2.2.7, and what DONE says.
const (
	tokenReturnStatus = 0x79
	tokenColumns      = 0x81
	tokenError        = 0xaa
	tokenLoginAck     = 0xad
	tokenRow          = 0xd1
	tokenChange       = 0xe3
	tokenDone         = 0xfd
	tokenDoneProc     = 0xfe

	doneError     = 0x02
	doneCount     = 0x10
	doneAttention = 0x20
)

// Requests to the transaction manager, and the changes that they make.
const (
	requestBegin    = 5
	requestCommit   = 7
	requestRollback = 8

	changeBegin    = 8
	changeCommit   = 9
	changeRollback = 10
)

const (
	optionEncryption = 1
	optionsEnd       = 0xff

	encryptionOn   = 1
	encryptionNone = 2
)

const (
	typeInteger = 0x38
	typeText    = 0xe7
)

var (
	collation = []byte{9, 4, 0xd0, 0, 0x34}
	// descriptor names a transaction; each connection has one at most.
	descriptor = []byte{1, 0, 0, 0, 1, 0, 0, 0}
)

// encryption is what the client's options ask for: on, or none.
func (m message) encryption() byte {
	// An option's number, its place and its length.
	const size = 1 + 2 + 2
	for at := 0; at+size <= len(m.data) && m.data[at] != optionsEnd; at += size {
		place := int(binary.BigEndian.Uint16(m.data[at+1:]))
		if m.data[at] == optionEncryption && place < len(m.data) && m.data[place] == encryptionOn {
			return encryptionOn
		}
	}
	return encryptionNone
}

// preloginReply has two options, the version and the encryption, each with its place and length.
func preloginReply(encryption byte) []byte {
	return []byte{
		0, 0, 11, 0, 6,
		optionEncryption, 0, 17, 0, 1,
		optionsEnd,
		16, 0, 0, 0, 0, 0,
		encryption,
	}
}

func loginReply() []byte {
	// It accepts SQL, TDS 7.4.
	said := append([]byte{1, 0x74, 0, 0, 4}, short("stand-in")...)
	said = append(said, 16, 0, 0, 0)
	return append(sized(tokenLoginAck, said), done(tokenDone, 0, 0)...)
}

// statement is the text of a batch, or the first parameter of sp_executesql.
func (m message) statement() string {
	data := m.body()
	if m.kind == batch {
		return fromUTF16(data)
	}
	// The procedure's number behind ffff, options, a parameter without a name, its status, and its type with the longest length and
	// the collation.
	const before = 2 + 2 + 2 + 1 + 1 + 1 + 2 + 5
	if len(data) < before+2 || data[0] != 0xff || data[2] != 10 || data[6] != 0 || data[8] != typeText {
		log.Printf("a call of something else: %x", data)
		return ""
	}
	length := int(binary.LittleEndian.Uint16(data[before:]))
	return fromUTF16(data[before+2 : before+2+length])
}

// body is what follows the headers.
func (m message) body() []byte {
	return m.data[binary.LittleEndian.Uint32(m.data):]
}

func (m message) endOrBegin() []byte {
	long := append([]byte{byte(len(descriptor))}, descriptor...)
	change := []byte(nil)
	switch binary.LittleEndian.Uint16(m.body()) {
	case requestBegin:
		change = append(append([]byte{changeBegin}, long...), 0)
	case requestCommit:
		change = append([]byte{changeCommit, 0}, long...)
	case requestRollback:
		change = append([]byte{changeRollback, 0}, long...)
	default:
		return failure(tokenDone, 4002, 16)
	}
	return append(sized(tokenChange, change), done(tokenDone, 0, 0)...)
}

func columns() []byte {
	named := func(kind []byte, name string) []byte {
		// Type and flags of users.
		return append(append(make([]byte, 6), kind...), short(name)...)
	}
	text := append([]byte{typeText, 200, 0}, collation...)
	return append(append([]byte{tokenColumns, 2, 0}, named([]byte{typeInteger}, "id")...), named(text, "name")...)
}

func row(id uint32, name string) []byte {
	text := toUTF16(name)
	out := binary.LittleEndian.AppendUint32([]byte{tokenRow}, id)
	return append(binary.LittleEndian.AppendUint16(out, uint16(len(text))), text...)
}

func failure(end byte, number uint32, class byte) []byte {
	const state, line = 1, 1
	message := toUTF16("secret")
	said := append(binary.LittleEndian.AppendUint32(nil, number), state, class)
	said = append(binary.LittleEndian.AppendUint16(said, uint16(len(message)/2)), message...)
	said = append(append(said, short("stand-in")...), short("")...)
	said = binary.LittleEndian.AppendUint32(said, line)
	return append(sized(tokenError, said), done(end, doneError, 0)...)
}

func done(token byte, status uint16, rows uint64) []byte {
	var out []byte
	if token == tokenDoneProc {
		out = []byte{tokenReturnStatus, 0, 0, 0, 0}
	}
	out = binary.LittleEndian.AppendUint16(append(out, token), status)
	return binary.LittleEndian.AppendUint64(append(out, 0, 0), rows)
}

func sized(token byte, said []byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{token}, uint16(len(said))), said...)
}

// packet has all of a message; none is as long as a packet may be.
func packet(kind byte, data []byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{kind, lastPacket}, uint16(8+len(data)))
	return append(append(out, 0, 0, 1, 0), data...)
}

func short(text string) []byte {
	return append([]byte{byte(len(text))}, toUTF16(text)...)
}

func toUTF16(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}

func fromUTF16(data []byte) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}
