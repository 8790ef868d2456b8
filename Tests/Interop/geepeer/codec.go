package main

import (
	"encoding/binary"
	"errors"
)

// codec is the form of a value in an answer's body.
type codec struct {
	encode func(value []byte) []byte
	decode func(body []byte) ([]byte, error)
}

var codecs = map[string]codec{
	"raw": {
		encode: func(value []byte) []byte { return value },
		decode: func(body []byte) ([]byte, error) { return body, nil },
	},
	"protobuf": {encode: encodeResponse, decode: decodeResponse},
}

var errMalformed = errors.New("malformed protobuf message")

// encodeResponse writes Response{bytes value = 1}. proto3 omits an empty field: an empty value is no bytes.
func encodeResponse(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	message := make([]byte, 0, len(value)+11)
	message = append(message, 1<<3|2)
	message = binary.AppendUvarint(message, uint64(len(value)))
	return append(message, value...)
}

// decodeResponse reads the same, the last value winning, and skips fields it does not know.
func decodeResponse(body []byte) ([]byte, error) {
	value := []byte{}
	for len(body) > 0 {
		tag, n := binary.Uvarint(body)
		if n <= 0 || tag>>3 == 0 {
			return nil, errMalformed
		}
		body = body[n:]
		size := uint64(0)
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(body); n <= 0 {
				return nil, errMalformed
			}
			size = uint64(n)
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(body)
			if n <= 0 {
				return nil, errMalformed
			}
			body = body[n:]
			size = length
		case 5:
			size = 4
		default:
			return nil, errMalformed
		}
		if size > uint64(len(body)) {
			return nil, errMalformed
		}
		if tag == 1<<3|2 {
			value = body[:size]
		}
		body = body[size:]
	}
	return value, nil
}
