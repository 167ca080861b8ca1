//go:build tools

// Package toolchain pins the Pulumi CLI that is built where no release can be downloaded.
package toolchain

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
