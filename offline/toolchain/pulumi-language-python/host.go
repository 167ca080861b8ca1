package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// version is that of the CLI and SDK this host was written for.
const version = "3.259.0"

// alreadyReported is the executor's exit code once it has shown the program's error itself.
const alreadyReported = 32

// host implements the RPCs that running programs and policy packs takes; the rest answers Unimplemented.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
	life   context.Context
	stop   context.CancelFunc
}

func newHost(engine string) *host {
	life, stop := context.WithCancel(context.Background())
	return &host{engine: engine, life: life, stop: stop}
}

func (h *host) Handshake(context.Context, *pulumirpc.LanguageHandshakeRequest) (
	*pulumirpc.LanguageHandshakeResponse, error,
) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// Cancel ends the running program and plugins; their calls return an error.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

func (h *host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := findPython(req.GetInfo())
	if err != nil {
		return nil, err
	}
	output, err := exec.CommandContext(ctx, python.executable, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", python.executable, err)
	}
	found := strings.TrimPrefix(strings.TrimSpace(string(output)), "Python ")
	return &pulumirpc.AboutResponse{Executable: python.executable, Version: found}, nil
}

// GetRequiredPackages lists the plugins of the Pulumi SDKs installed for the program.
func (h *host) GetRequiredPackages(ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest) (
	*pulumirpc.GetRequiredPackagesResponse, error,
) {
	python, err := findPython(req.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := python.requiredPackages(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, nil
}

// GetProgramDependencies lists every distribution installed for the program, direct or not.
func (h *host) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest) (
	*pulumirpc.GetProgramDependenciesResponse, error,
) {
	python, err := findPython(req.GetInfo())
	if err != nil {
		return nil, err
	}
	dependencies, err := python.distributions(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetProgramDependenciesResponse{Dependencies: dependencies}, nil
}

// Run executes the program. What it prints goes to this process's own output, which the engine shows.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	python, err := findPython(req.GetInfo())
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(orEmpty(req.GetConfig()))
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(append([]string{}, req.GetConfigSecretKeys()...))
	if err != nil {
		return nil, err
	}
	args := []string{
		"-u", filepath.Join(filepath.Dir(executable), "pulumi-language-python-exec"),
		"--monitor", req.GetMonitorAddress(),
		"--engine", h.engine,
		"--project", req.GetProject(),
		"--root_directory", req.GetInfo().GetRootDirectory(),
		"--stack", req.GetStack(),
		"--pwd", req.GetPwd(),
		"--parallel", strconv.Itoa(int(req.GetParallel())),
		"--organization", req.GetOrganization(),
	}
	if req.GetDryRun() {
		args = append(args, "--dry_run", "true")
	}
	args = append(args, filepath.Join(req.GetInfo().GetProgramDirectory(), req.GetInfo().GetEntryPoint()))
	args = append(args, req.GetArgs()...)

	command, release := h.command(ctx, python.executable, args)
	defer release()
	command.Dir = req.GetPwd()
	command.Env = append(python.activate(os.Environ()),
		"PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr

	err = command.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case h.life.Err() != nil || ctx.Err() != nil:
		return nil, status.Error(codes.Canceled, "the program was cancelled")
	case errors.As(err, &exit) && exit.ExitCode() == alreadyReported:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit) && exit.Exited():
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program did not finish: %v", err)}, nil
	}
}

// RunPlugin executes a policy pack in its own virtual environment, until the engine ends the call.
func (h *host) RunPlugin(
	req *pulumirpc.RunPluginRequest, server grpc.ServerStreamingServer[pulumirpc.RunPluginResponse],
) error {
	if req.GetKind() != "analyzer" || len(req.GetArgs()) == 0 {
		return status.Errorf(codes.Unimplemented,
			"plugin kind %q: this language host runs programs and policy packs; use the official one", req.GetKind())
	}
	python, err := findPython(req.GetInfo())
	if err != nil {
		return err
	}
	// pulumi.policy takes the engine's address and the pack's folder, then ignores what it does not know.
	last := len(req.GetArgs()) - 1
	args := append([]string{"-u", "-m", "pulumi.policy"}, req.GetArgs()[last], req.GetInfo().GetProgramDirectory())
	args = append(args, req.GetArgs()[:last]...)

	command, release := h.command(server.Context(), python.executable, args)
	defer release()
	command.Dir = req.GetPwd()
	command.Env = python.activate(req.GetEnv())
	lock := &sync.Mutex{}
	command.Stdout = streamWriter{lock, func(data []byte) error {
		return server.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: data}})
	}}
	command.Stderr = streamWriter{lock, func(data []byte) error {
		return server.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: data}})
	}}

	var exit *exec.ExitError
	code := 0
	if err := command.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		return fmt.Errorf("%s: %w", python.executable, err)
	}
	return server.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)},
	})
}

// command prepares a child that is terminated when the call or the host ends, and killed if it does not listen.
func (h *host) command(call context.Context, name string, args []string) (*exec.Cmd, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	release := context.AfterFunc(h.life, cancel)
	command := exec.CommandContext(ctx, name, args...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = exitDeadline / 2
	return command, func() { release(); cancel() }
}

func orEmpty(values map[string]string) map[string]string {
	if values == nil {
		return map[string]string{}
	}
	return values
}
