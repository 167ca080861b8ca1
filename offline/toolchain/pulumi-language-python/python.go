package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// python is the interpreter of one program or policy pack.
type python struct {
	executable string
	virtualenv string // absolute; empty when the program names none
}

// findPython returns the interpreter of the virtual environment named in the project file, seen from that file's
// folder; without one, PULUMI_PYTHON_CMD, python3 or python of the PATH.
func findPython(info *pulumirpc.ProgramInfo) (python, error) {
	option, set := info.GetOptions().GetFields()["virtualenv"]
	if !set {
		for _, name := range []string{os.Getenv("PULUMI_PYTHON_CMD"), "python3", "python"} {
			if path, err := exec.LookPath(name); name != "" && err == nil {
				return python{executable: path}, nil
			}
		}
		return python{}, fmt.Errorf("no python3 on PATH: install Python, or set runtime.options.virtualenv")
	}
	name := option.GetStringValue()
	folder := name
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(info.GetRootDirectory(), folder)
	}
	executable := filepath.Join(folder, "bin", "python")
	if file, err := os.Stat(executable); name == "" || err != nil || file.IsDir() {
		return python{}, fmt.Errorf("virtualenv %q: %s does not exist; runtime.options.virtualenv must name a virtual "+
			"environment, seen from the project file's folder: create it or correct the name", name, executable)
	}
	return python{executable: executable, virtualenv: folder}, nil
}

// activate returns the environment with the virtual environment in front, as its activate script does.
func (p python) activate(environment []string) []string {
	active := make([]string, 0, len(environment)+2)
	search := ""
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == "PATH":
			search = value
		case p.virtualenv != "" && (name == "PYTHONHOME" || name == "VIRTUAL_ENV"):
		default:
			active = append(active, entry)
		}
	}
	if p.virtualenv == "" {
		return append(active, "PATH="+search)
	}
	bin := filepath.Join(p.virtualenv, "bin")
	return append(active, "VIRTUAL_ENV="+p.virtualenv, "PATH="+bin+string(os.PathListSeparator)+search)
}

// sitePackages returns the folders that distributions are installed in. A virtual environment is not asked, which
// would cost a Python start in every command.
func (p python) sitePackages(ctx context.Context) ([]string, error) {
	if p.virtualenv != "" {
		return filepath.Glob(filepath.Join(p.virtualenv, "lib*", "python3*", "site-packages"))
	}
	const ask = "import sysconfig; print('\\n'.join({sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}))"
	output, err := exec.CommandContext(ctx, p.executable, "-c", ask).Output()
	if err != nil {
		return nil, fmt.Errorf("%s cannot tell where its packages are: %w", p.executable, err)
	}
	return strings.Fields(string(output)), nil
}

// requiredPackages reads the pulumi-plugin.json that each Pulumi SDK carries.
func (p python) requiredPackages(ctx context.Context) ([]*pulumirpc.PackageDependency, error) {
	files, err := p.glob(ctx, filepath.Join("*", "pulumi-plugin.json"))
	if err != nil {
		return nil, err
	}
	var packages []*pulumirpc.PackageDependency
	for _, file := range files {
		var plugin struct {
			Resource         bool
			Name             string
			Version          string
			Server           string
			Parameterization *struct {
				Name, Version string
				Value         []byte
			}
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &plugin)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !plugin.Resource {
			continue
		}
		dependency := &pulumirpc.PackageDependency{
			Name: plugin.Name, Kind: "resource", Version: plugin.Version, Server: plugin.Server,
		}
		if inner := plugin.Parameterization; inner != nil {
			dependency.Parameterization = &pulumirpc.PackageParameterization{
				Name: inner.Name, Version: inner.Version, Value: inner.Value,
			}
		}
		packages = append(packages, dependency)
	}
	return packages, nil
}

// distributions reads names and versions from the .dist-info folders.
func (p python) distributions(ctx context.Context) ([]*pulumirpc.DependencyInfo, error) {
	folders, err := p.glob(ctx, "*.dist-info")
	if err != nil {
		return nil, err
	}
	var found []*pulumirpc.DependencyInfo
	for _, folder := range folders {
		name, version, ok := strings.Cut(strings.TrimSuffix(filepath.Base(folder), ".dist-info"), "-")
		if ok {
			found = append(found, &pulumirpc.DependencyInfo{Name: name, Version: version})
		}
	}
	return found, nil
}

// glob matches in every folder of packages; lib64 is usually a link to lib, so the same file counts once.
func (p python) glob(ctx context.Context, pattern string) ([]string, error) {
	folders, err := p.sitePackages(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var found []string
	for _, folder := range folders {
		real, err := filepath.EvalSymlinks(folder)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		matches, err := filepath.Glob(filepath.Join(real, pattern))
		if err != nil {
			return nil, err
		}
		found = append(found, matches...)
	}
	return found, nil
}
