//go:build !sdk

package main

import "google.golang.org/grpc"

func options() []grpc.DialOption { return nil }
