// vault-exec starts a command with secrets from AWS Secrets Manager in its environment.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

const (
	attempt = 3 * time.Second  // for one answer, of two attempts
	total   = 15 * time.Second // for all secrets
	usage   = `usage: vault-exec [--names A,B] [--require A,B] -- COMMAND [ARGUMENT...]

Reads each secret VAULT_PREFIX + name with the container's role and becomes COMMAND, whose environment has them by
name. For images that cannot ask the vault themselves. It is the second choice:

  - the values stand in the command's environment: /proc/PID/environ shows them to its user and to root, every
    process that it starts inherits them, and a scan of environments for credentials finds them;
  - they are read once: after a rotation the container must be restarted.

Exit status: the command's own; 1 a required secret cannot be read; 2 wrong usage; 127 no such command.

`
)

var (
	prefixes = regexp.MustCompile(`^[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]*/$`)
	names    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func main() {
	flags := flag.NewFlagSet("vault-exec", flag.ExitOnError)
	optional := flags.String("names", "AUDIT_DB_URL,REDIS_URL,SLACK_WEBHOOK_URL", "the secrets, by `name`, with commas")
	required := flags.String("require", "", "those without which the command is not started (default all)")
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage); flags.PrintDefaults() }
	_ = flags.Parse(os.Args[1:]) // exits with 0 for -help, with 2 for what it does not know
	if *required == "" {
		*required = *optional
	}
	prefix, command := os.Getenv("VAULT_PREFIX"), flags.Args()
	if !prefixes.MatchString(prefix) {
		end(2, fmt.Errorf("VAULT_PREFIX is %q: it must be a name that ends in '/', for example web-next-prod/", prefix))
	}
	if len(command) == 0 {
		end(2, errors.New("no command is given: vault-exec [--names A,B] [--require A,B] -- COMMAND [ARGUMENT...]"))
	}
	needed := strings.Split(*required, ",")
	wanted := slices.Compact(slices.Sorted(slices.Values(append(strings.Split(*optional, ","), needed...))))
	for _, name := range wanted {
		if !names.MatchString(name) {
			end(2, fmt.Errorf("%q is no name of a variable: --names and --require take names with commas", name))
		}
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		end(127, fmt.Errorf("%q cannot be started: %s", command[0], cause(err)))
	}
	environment, err := fill(os.Environ(), prefix, wanted, needed)
	if err != nil {
		end(1, err)
	}
	end(127, fmt.Errorf("%q cannot be started: %w", path, syscall.Exec(path, command, environment)))
}

// fill returns the environment with the secrets in it, or the error of the first needed one that cannot be read.
func fill(environment []string, prefix string, wanted, needed []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), total)
	defer cancel()
	options := []func(*config.LoadOptions) error{
		config.WithRegion(os.Getenv("S3_REGION")), // without one the configuration's own
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attempt)),
		config.WithRetryer(func() aws.Retryer { return retry.AddWithMaxAttempts(retry.NewStandard(), 2) }),
		config.WithLogger(logging.Nop{}), // what the SDK says of connections is not this program's one line
	}
	settings, err := config.LoadDefaultConfig(ctx, options...)
	if err == nil && settings.BaseEndpoint != nil && os.Getenv("AWS_ENDPOINT_URL_STS") == "" {
		os.Setenv("AWS_ENDPOINT_URL_STS", *settings.BaseEndpoint) // the SDK asks AWS itself for a role otherwise
		settings, err = config.LoadDefaultConfig(ctx, options...)
	}
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %s", cause(err))
	}
	client := secretsmanager.NewFromConfig(settings)
	for _, name := range wanted {
		value, err := get(ctx, client, prefix+name)
		if err == nil {
			environment = slices.DeleteFunc(environment, func(e string) bool { return strings.HasPrefix(e, name+"=") })
			environment = append(environment, name+"="+value)
		} else if slices.Contains(needed, name) {
			return nil, err
		} else {
			fmt.Fprintf(os.Stderr, "vault-exec: %s; the command starts without it\n", err)
		}
	}
	return environment, nil
}

func get(ctx context.Context, client *secretsmanager.Client, secret string) (string, error) {
	answer, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret})
	if err != nil {
		return "", fmt.Errorf("secret %s cannot be read: %s", secret, cause(err))
	}
	if value := aws.ToString(answer.SecretString); value != "" && !strings.Contains(value, "\x00") {
		return value, nil
	}
	return "", fmt.Errorf("secret %s holds no text: it must be put as SecretString", secret)
}

// cause returns what is at the bottom of an error, in one line.
func cause(err error) string {
	var api smithy.APIError
	var network *net.OpError
	var lookup *exec.Error
	switch {
	case errors.As(err, &api):
		err = api
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("no answer in time")
	case errors.As(err, &network):
		err = network
	case errors.As(err, &lookup):
		err = lookup.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func end(status int, err error) {
	fmt.Fprintf(os.Stderr, "vault-exec: %s\n", err)
	os.Exit(status)
}
