module uprobed.test/matrix

go 1.23.0

toolchain go1.23.12

require (
	github.com/go-sql-driver/mysql v1.9.3
	github.com/lib/pq v1.12.3
	github.com/segmentio/kafka-go v0.4.51
	google.golang.org/grpc v1.75.1
	google.golang.org/protobuf v1.36.6
)

require (
	filippo.io/edwards25519 v1.1.0 // indirect
	github.com/klauspost/compress v1.15.9 // indirect
	github.com/pierrec/lz4/v4 v4.1.15 // indirect
	golang.org/x/net v0.41.0 // indirect
	golang.org/x/sys v0.33.0 // indirect
	golang.org/x/text v0.26.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250707201910-8d1bb00bc6a7 // indirect
)
