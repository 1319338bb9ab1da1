module uprobed.test/matrix

go 1.21.0

toolchain go1.21.13

require (
	github.com/go-sql-driver/mysql v1.9.3
	github.com/lib/pq v1.12.3
	github.com/segmentio/kafka-go v0.4.48
	google.golang.org/grpc v1.67.3
	google.golang.org/protobuf v1.34.2
)

require (
	filippo.io/edwards25519 v1.1.0 // indirect
	github.com/klauspost/compress v1.15.9 // indirect
	github.com/pierrec/lz4/v4 v4.1.15 // indirect
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/sys v0.28.0 // indirect
	golang.org/x/text v0.17.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240814211410-ddb44dafa142 // indirect
)
