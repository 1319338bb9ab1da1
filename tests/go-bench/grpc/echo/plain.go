//go:build !sdk

package echo

import "google.golang.org/grpc"

func options() []grpc.ServerOption { return nil }
