module uprobed.test/kafka

go 1.18

require (
	github.com/segmentio/kafka-go v0.4.20
	uprobed.test v0.0.0
)

require (
	github.com/golang/snappy v0.0.1 // indirect
	github.com/klauspost/compress v1.9.8 // indirect
	github.com/pierrec/lz4 v2.6.0+incompatible // indirect
)

replace uprobed.test => ../go
